-- A spool: events that wait to be delivered, in their order, and those that the ledger rejected.

-- name: waiting_table
CREATE TABLE IF NOT EXISTS waiting (
    seq INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    recorded_ms INTEGER NOT NULL,
    value BLOB NOT NULL
);

-- name: rejected_table
CREATE TABLE IF NOT EXISTS rejected (
    seq INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    recorded_ms INTEGER NOT NULL,
    value BLOB NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    field TEXT
);

-- name: state
SELECT
    (SELECT count(*) FROM waiting),
    (SELECT count(*) FROM rejected),
    max((SELECT coalesce(max(seq), 0) FROM waiting), (SELECT coalesce(max(seq), 0) FROM rejected));

-- name: pages
-- How many pages of the file are in use.
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
INSERT INTO rejected
SELECT seq, account_id, event_id, recorded_ms, value, :code, :reason, :field FROM waiting WHERE seq = :seq;

-- name: rejected
SELECT account_id, event_id, recorded_ms, value, code, reason, field FROM rejected ORDER BY seq;

-- name: put_back
-- At the end: other events may have their old places since.
INSERT INTO waiting
SELECT row_number() OVER (ORDER BY seq) + :last, account_id, event_id, recorded_ms, value FROM rejected;

-- name: drop_rejected
DELETE FROM rejected;
