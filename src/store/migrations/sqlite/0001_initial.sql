-- Conventions: organisations, integrations and people have short integer keys inside the store, because every index
-- repeats them. Times are milliseconds since 1970. Hashes are 16 bytes. States are the words of the domain.

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE organisation (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE,
    revision INTEGER NOT NULL DEFAULT 0 -- grows with every change to its people
);

CREATE TABLE integration (
    id           INTEGER PRIMARY KEY,
    organisation INTEGER NOT NULL,
    name         TEXT    NOT NULL,
    source       INTEGER NOT NULL DEFAULT 0, -- is it a profile source (SO-1)?
    UNIQUE (organisation, name)
);

-- The fence of RU-4: a run may write while its epoch is the one that stands here.
CREATE TABLE lease (
    integration INTEGER NOT NULL,
    direction   TEXT    NOT NULL,
    epoch       INTEGER NOT NULL,
    PRIMARY KEY (integration, direction)
) WITHOUT ROWID;

CREATE TABLE run (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- run ids are never reused
    integration INTEGER NOT NULL,
    direction   TEXT    NOT NULL,
    object      TEXT    NOT NULL,
    started     INTEGER NOT NULL,
    report      TEXT,
    inputs      BLOB,
    sorted      INTEGER NOT NULL DEFAULT 0 -- up to which row of its listing sorted_key is complete
);
CREATE INDEX run_object ON run (object);
CREATE INDEX run_integration ON run (integration, direction);

CREATE TABLE person (
    pk            INTEGER PRIMARY KEY,
    organisation  INTEGER NOT NULL,
    id            BLOB    NOT NULL,
    state         TEXT    NOT NULL,
    user_name_key TEXT, -- folded, see fold_key
    email_key     TEXT,
    profile       TEXT    NOT NULL
);
CREATE UNIQUE INDEX person_id ON person (organisation, id);
-- Not unique: two people may swap their usernames in one statement (A8).
CREATE INDEX person_user_name ON person (organisation, user_name_key);
CREATE INDEX person_email ON person (organisation, email_key);

-- An account and its link. Rows are narrow and in the order of app ids, because known_records reads all of them.
CREATE TABLE account (
    integration   INTEGER NOT NULL,
    app_id        TEXT    NOT NULL,
    person        INTEGER NOT NULL,
    state         TEXT    NOT NULL,
    origin        TEXT    NOT NULL,
    assigned      INTEGER NOT NULL,
    active        INTEGER NOT NULL,
    missing       INTEGER NOT NULL,
    hash          BLOB,
    decided_under BLOB,
    inputs        BLOB,
    PRIMARY KEY (integration, app_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX account_person ON account (person, integration);

-- The wide part of an account, for accounts that provisioning has written to.
CREATE TABLE account_values (
    integration INTEGER NOT NULL,
    app_id      TEXT    NOT NULL,
    written     TEXT    NOT NULL,
    resource    TEXT,
    PRIMARY KEY (integration, app_id)
) WITHOUT ROWID;

CREATE TABLE candidate (
    integration INTEGER NOT NULL,
    app_id      TEXT    NOT NULL,
    proposal    TEXT, -- p-<uuid>
    reason      TEXT    NOT NULL,
    PRIMARY KEY (integration, app_id)
) WITHOUT ROWID;

-- The W of SG-2. One row per account, its latest removal: an older one is in no window that the later one is not in.
CREATE TABLE removal (
    integration INTEGER NOT NULL,
    direction   TEXT    NOT NULL,
    app_id      TEXT    NOT NULL,
    run         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (integration, direction, app_id)
) WITHOUT ROWID;

CREATE TABLE failure (
    integration  INTEGER NOT NULL,
    person       INTEGER NOT NULL,
    inputs       BLOB    NOT NULL,
    attempts     INTEGER NOT NULL,
    next_attempt INTEGER NOT NULL,
    PRIMARY KEY (integration, person)
) WITHOUT ROWID;

-- The journal (RU-2). A row is what is under way; the result removes it.
CREATE TABLE intent (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: a late result must not meet another intent
    integration INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    person      BLOB    NOT NULL,
    removes     INTEGER NOT NULL,
    opened      INTEGER NOT NULL,
    action      TEXT    NOT NULL
);
CREATE INDEX intent_integration ON intent (integration, epoch);

-- What a run reads is appended without an index. The id of a row is (run << 32) + position, which keeps the rows of a
-- run together. sorted_key is filled from them in key order, at once, when the listing is there.
CREATE TABLE staging (
    id            INTEGER PRIMARY KEY,
    app_id        TEXT    NOT NULL,
    hash          BLOB    NOT NULL,
    active        INTEGER NOT NULL,
    user_name_key TEXT,
    email_key     TEXT,
    failure       TEXT,
    mapped        TEXT
);

CREATE TABLE observed (
    id            INTEGER PRIMARY KEY,
    app_id        TEXT    NOT NULL,
    external_id   TEXT,
    user_name_key TEXT,
    resource      TEXT    NOT NULL
);

CREATE TABLE sorted_key (
    run INTEGER NOT NULL,
    key TEXT    NOT NULL,
    id  INTEGER NOT NULL,
    PRIMARY KEY (run, key, id)
) WITHOUT ROWID;

-- A plan. The columns are what set-based statements need to know of an action; its whole text is in `action`.
CREATE TABLE import_action (
    id            INTEGER PRIMARY KEY,
    run           INTEGER NOT NULL,
    app_id        TEXT    NOT NULL,
    counts        INTEGER NOT NULL, -- what it counts, as a set of bits
    removes       INTEGER NOT NULL,
    refused       INTEGER NOT NULL DEFAULT 0, -- found impossible when it was applied
    seen          INTEGER NOT NULL,
    hash          BLOB,
    active        INTEGER,
    missing       INTEGER,
    link          TEXT, -- Create, End
    link_person   BLOB,
    person        TEXT, -- Create, Change
    person_id     BLOB,
    state         TEXT,
    profile       INTEGER NOT NULL, -- does it write a profile?
    user_name_key TEXT,
    email_key     TEXT,
    candidate     TEXT, -- Put, Remove
    action        TEXT    NOT NULL
);
CREATE UNIQUE INDEX import_action_order ON import_action (run, app_id);
CREATE INDEX import_action_removes ON import_action (run, app_id) WHERE removes;
CREATE INDEX import_action_changed ON import_action (run, person_id) WHERE person = 'Change';

CREATE TABLE provision_action (
    id      INTEGER PRIMARY KEY,
    run     INTEGER NOT NULL,
    person  BLOB    NOT NULL,
    class   TEXT    NOT NULL, -- of the safeguards; 'None' writes nothing
    counts  INTEGER NOT NULL,
    removes TEXT, -- the account that is deactivated
    action  TEXT    NOT NULL
);
CREATE UNIQUE INDEX provision_action_person ON provision_action (run, person);
CREATE INDEX provision_action_order ON provision_action (run, class, person, counts);
CREATE INDEX provision_action_removes ON provision_action (run, removes) WHERE removes IS NOT NULL;
