-- How far the store has come with an integration: raised before the first effect of every run that changes something.
-- Statuses remember it, and an older copy of the store is known by it (SG-12).
ALTER TABLE integration ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
