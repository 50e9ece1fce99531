-- What the last Directory of an organisation said; NULL if there never was one. It holds on when the object is gone.
ALTER TABLE organisation ADD COLUMN directory TEXT;

-- The sources that it names, in their order (SO-1). Integrations that no run has been made for may be among them.
CREATE TABLE source_order (
    organisation INTEGER NOT NULL,
    name         TEXT    NOT NULL,
    rank         INTEGER NOT NULL,
    PRIMARY KEY (organisation, name)
) WITHOUT ROWID;

-- How many people there are in each state, without reading them.
CREATE INDEX person_state ON person (organisation, state);
