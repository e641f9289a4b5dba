-- What a restore must not undo, and which database the log belongs to (docs/decisions/0018).

-- One row. The id is made once, and every dump of this database carries it.
CREATE TABLE records.installation (
    single              boolean PRIMARY KEY DEFAULT true CHECK (single),
    installation_id     uuid NOT NULL DEFAULT gen_random_uuid(),
    -- When all that ledger.records said was last applied here. Old: perhaps this database was restored.
    records_read_at     timestamptz
);
INSERT INTO records.installation DEFAULT VALUES;

-- The events of ledger.records: what was ended here, noted in the same transaction, and what was met on the log.
-- `seen_at`: when it was met on the log. NULL: it is not there yet, or no longer, and a worker appends it.
CREATE TABLE records.log_events (
    event_id            uuid PRIMARY KEY,
    value               bytea NOT NULL,
    noted_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at             timestamptz
);
CREATE INDEX log_events_unseen ON records.log_events (noted_at) WHERE seen_at IS NULL;
