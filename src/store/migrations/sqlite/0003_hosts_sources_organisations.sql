-- The host at which an integration's links were made or proved (AI-9); NULL until the first run of this version.
ALTER TABLE integration ADD COLUMN host TEXT;

-- What the policy said of sourcing to the last import, which may have been a plan only. `source` is what holds for all.
ALTER TABLE integration ADD COLUMN policy_source INTEGER NOT NULL DEFAULT 0;
UPDATE integration SET policy_source = source;
