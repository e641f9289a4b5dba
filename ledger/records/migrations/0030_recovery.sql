-- What `ledger recover` needs besides the views: the book, whose topic can be lost like any other.

-- Every version of the book that was ever folded by, as it was on its topic. `appended_ms`: its log time.
CREATE TABLE records.book_versions (
    version         integer PRIMARY KEY CHECK (version > 0),
    value           bytea NOT NULL,
    appended_ms     bigint NOT NULL,
    kept_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
