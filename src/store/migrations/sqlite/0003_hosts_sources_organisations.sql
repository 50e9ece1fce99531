-- The host at which an integration's links were made or proved (AI-9); NULL until the first run of this version.
ALTER TABLE integration ADD COLUMN host TEXT;
-- Empty but for the time after a change of host; every import asks for it. No other state sorts behind these.
CREATE INDEX account_unproven ON account (integration, app_id) WHERE state >= 'Unproven';

-- What the policy said of sourcing to the last import, which may have been a plan only. `source` is what holds for all.
ALTER TABLE integration ADD COLUMN policy_source INTEGER NOT NULL DEFAULT 0;
UPDATE integration SET policy_source = source;

-- Which namespace has the name: a namespace that is made anew under a name is another organisation. NULL until it is first met
-- by this version. An organisation whose namespace is gone is set aside: its name becomes <name>/<uid>, which no namespace has.
ALTER TABLE organisation ADD COLUMN uid TEXT;
ALTER TABLE organisation ADD COLUMN orphaned INTEGER; -- when it was set aside

-- The objects that imports were made for, apart from their reports.
CREATE INDEX run_import ON run (object) WHERE direction = 'ToDirectory';
