-- Plans that a limit holds. While one waits or is applied, the actions and the listing of its run stay as they are (SG-10).
CREATE TABLE held_plan (
    run         INTEGER PRIMARY KEY,
    integration INTEGER NOT NULL,
    direction   TEXT    NOT NULL,
    object      TEXT    NOT NULL, -- the UID of the ImportRun or the ProvisioningPolicy
    digest      TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    expires     INTEGER NOT NULL,
    terms       BLOB    NOT NULL, -- the rules that it was made under
    figures     TEXT    NOT NULL, -- what the limits said of it
    applied_to  TEXT              -- of an import: the last app id whose action is applied
);
CREATE INDEX held_plan_integration ON held_plan (integration, direction);

-- Every decision on a held plan, once (SG-11). Nobody's personal data: objects are named by their UIDs.
CREATE TABLE audit (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at          INTEGER NOT NULL,
    integration INTEGER NOT NULL,
    direction   TEXT    NOT NULL,
    object      TEXT    NOT NULL,
    digest      TEXT    NOT NULL,
    approval    TEXT    NOT NULL, -- the UID of the ChangeApproval
    approver    TEXT,
    decision    TEXT    NOT NULL,
    answer      TEXT    NOT NULL
);
CREATE UNIQUE INDEX audit_approval ON audit (approval);
CREATE INDEX audit_digest ON audit (integration, digest);
