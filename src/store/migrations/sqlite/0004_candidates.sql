-- The queue of candidates (MT-5 to MT-8). What was in it before has no id and no record until an import proposes it anew.
ALTER TABLE candidate ADD COLUMN id TEXT; -- c-<uuid>
ALTER TABLE candidate ADD COLUMN kind TEXT NOT NULL DEFAULT 'Ambiguous';
ALTER TABLE candidate ADD COLUMN record TEXT; -- what the record says, mapped
ALTER TABLE candidate ADD COLUMN ignored INTEGER NOT NULL DEFAULT 0;
ALTER TABLE candidate ADD COLUMN since INTEGER; -- the import that proposed this first
ALTER TABLE candidate ADD COLUMN last INTEGER; -- the import that proposed it last
UPDATE candidate SET kind = CASE
    WHEN reason = 'Reactivation' THEN 'Activation'
    WHEN reason = 'UserNameTaken' THEN iif(proposal IS NULL, 'New', 'Update')
    WHEN reason = 'NewPersonManual' THEN 'New'
    WHEN reason = 'Ambiguous' THEN 'Ambiguous'
    ELSE 'Exact' END;
CREATE INDEX candidate_id ON candidate (id);
-- Rows are wide: what is counted and paged is read from here.
CREATE INDEX candidate_queue ON candidate (integration, ignored, app_id);

-- What unlinked records have in common, of the keys that the policy of the run uses; folded.
ALTER TABLE staging ADD COLUMN attribute_key TEXT;
ALTER TABLE staging ADD COLUMN names_key TEXT;

-- Keys that people are found by besides username and e-mail address: made for the attributes that some import of their
-- organisation has matched by. `filled`: for whom they are made, in the order of person ids.
CREATE TABLE key_use (
    organisation INTEGER NOT NULL,
    attribute    TEXT    NOT NULL,
    filled       BLOB    NOT NULL DEFAULT x'',
    complete     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (organisation, attribute)
) WITHOUT ROWID;
CREATE TABLE person_key (
    organisation INTEGER NOT NULL,
    attribute    TEXT    NOT NULL,
    key          TEXT    NOT NULL, -- folded
    person       INTEGER NOT NULL,
    PRIMARY KEY (organisation, attribute, key, person)
) WITHOUT ROWID;
CREATE INDEX person_key_person ON person_key (person);
-- People who have changed since their keys were made; nobody where no keys are used.
CREATE TABLE person_unkeyed (
    organisation INTEGER NOT NULL,
    person       INTEGER NOT NULL,
    PRIMARY KEY (organisation, person)
) WITHOUT ROWID;
-- Keys of people go with them, however they go: their numbers in the store are given out again.
CREATE TRIGGER person_gone AFTER DELETE ON person BEGIN
    DELETE FROM person_key WHERE person = old.pk;
    DELETE FROM person_unkeyed WHERE organisation = old.organisation AND person = old.pk;
END;
CREATE TRIGGER organisation_gone AFTER DELETE ON organisation BEGIN
    DELETE FROM key_use WHERE organisation = old.id;
END;
