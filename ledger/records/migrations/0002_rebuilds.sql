-- What stood before a rebuild of the views, kept outside of them until it was compared.

-- At most one rebuild is unfinished. `targets`: the offset up to which each partition was folded before, by partition;
-- `columns`: which columns each table had; `outbox_position`: the last message that was there before.
CREATE TABLE records.rebuilds (
    rebuild_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    targets         jsonb NOT NULL,
    columns         jsonb NOT NULL,
    outbox_position bigint NOT NULL,
    result          jsonb
);
CREATE UNIQUE INDEX rebuilds_unfinished ON records.rebuilds ((true)) WHERE finished_at IS NULL;

-- One digest per column of what one account had in one table; emptied when the rebuild has ended.
CREATE TABLE records.rebuild_digests (
    account_id      text NOT NULL,
    name            text NOT NULL,
    rows            bigint NOT NULL,
    digests         bytea NOT NULL,
    PRIMARY KEY (account_id, name)
);
