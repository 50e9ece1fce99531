-- The host at which an integration's links were made or proved (AI-9); NULL until the first run of this version.
ALTER TABLE integration ADD COLUMN host TEXT;
