-- Instants are milliseconds since the epoch. Names stand as numbers of the table `name`.
CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;

-- Facts.
CREATE TABLE cursor(
    agent INTEGER NOT NULL, incarnation INTEGER NOT NULL,
    highest_seq INTEGER NOT NULL, heard_ms INTEGER NOT NULL,
    PRIMARY KEY(agent, incarnation)) WITHOUT ROWID, STRICT;
CREATE TABLE gap(
    agent INTEGER NOT NULL, incarnation INTEGER NOT NULL, from_seq INTEGER NOT NULL,
    to_seq INTEGER NOT NULL, why TEXT NOT NULL, noted_ms INTEGER NOT NULL,
    PRIMARY KEY(agent, incarnation, from_seq, to_seq)) WITHOUT ROWID, STRICT;
CREATE TABLE journal(position INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, input BLOB NOT NULL) STRICT;
CREATE TABLE result(
    probe INTEGER NOT NULL, slot_ms INTEGER NOT NULL, region INTEGER NOT NULL,
    agent INTEGER NOT NULL, incarnation INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY(probe, slot_ms, region, agent, incarnation, seq)) WITHOUT ROWID, STRICT;
CREATE TABLE token(
    id TEXT PRIMARY KEY, name TEXT NOT NULL, region TEXT, role TEXT, hash TEXT NOT NULL,
    created_ms INTEGER NOT NULL, revoked_ms INTEGER, last_used_ms INTEGER) WITHOUT ROWID, STRICT;

-- Derived: the engine at a position of the journal, and what it has said up to an effect's number.
CREATE TABLE snapshot(
    position INTEGER PRIMARY KEY, effect INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    engine BLOB NOT NULL) STRICT;
CREATE TABLE flip(
    effect INTEGER PRIMARY KEY, probe INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    was TEXT NOT NULL, became TEXT NOT NULL) STRICT;
CREATE INDEX flip_of_probe ON flip(probe, at_ms);
CREATE TABLE incident(id INTEGER PRIMARY KEY, state TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX incident_by_state ON incident(state, id);

-- The outbox. state: 0 to be sent, 1 delivered, 2 given up.
CREATE TABLE notice(
    key TEXT PRIMARY KEY, due_ms INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE INDEX notice_due ON notice(due_ms) WHERE state = 0;
CREATE INDEX notice_done ON notice(due_ms) WHERE state > 0;
CREATE TABLE notice_attempt(
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, at_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL, why TEXT) STRICT;
CREATE INDEX notice_attempt_of ON notice_attempt(key);
