-- A spool: events that wait to be delivered, in their order, and those that the ledger refused.

-- name: waiting_table
CREATE TABLE IF NOT EXISTS waiting (
    seq INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    recorded_ms INTEGER NOT NULL,
    value BLOB NOT NULL
);

-- name: refused_table
CREATE TABLE IF NOT EXISTS refused (
    seq INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    recorded_ms INTEGER NOT NULL,
    value BLOB NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL
);

-- name: state
SELECT
    (SELECT count(*) FROM waiting),
    (SELECT count(*) FROM refused),
    max((SELECT coalesce(max(seq), 0) FROM waiting), (SELECT coalesce(max(seq), 0) FROM refused));

-- name: pages
-- Those in use.
SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count;

-- name: put
INSERT INTO waiting VALUES (?, ?, ?, ?, ?);

-- name: head
SELECT seq, account_id, event_id, recorded_ms, value FROM waiting ORDER BY seq LIMIT 1000;

-- name: first
SELECT seq, recorded_ms FROM waiting ORDER BY seq LIMIT 1;

-- name: forget
DELETE FROM waiting WHERE seq = ?;

-- name: set_aside
INSERT INTO refused
SELECT seq, account_id, event_id, recorded_ms, value, :code, :reason FROM waiting WHERE seq = :seq;

-- name: refused
SELECT account_id, event_id, recorded_ms, value, code, reason FROM refused ORDER BY seq;

-- name: put_back
-- At the end: their places are taken by what was delivered since.
INSERT INTO waiting
SELECT row_number() OVER (ORDER BY seq) + :last, account_id, event_id, recorded_ms, value FROM refused;

-- name: drop_refused
DELETE FROM refused;
