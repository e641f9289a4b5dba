-- What can't be folded again from the log: migrated with care, never dropped.

-- The topics as they were created; one that differs later is refused at start.
CREATE TABLE records.topics (
    name            text PRIMARY KEY,
    topic_id        text NOT NULL,
    partitions      integer NOT NULL CHECK (partitions > 0),
    timestamp_type  text NOT NULL,
    -- When its records were folded first; views that are empty later were lost, not new.
    projected_at    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now()
);

-- What a fold has to say on Kafka, written in its transaction and published after it. Ids are kept for ever, so that
-- a second fold of the same log publishes only what never went out; the value is dropped once it is out.
CREATE TABLE records.outbox (
    message_id      uuid PRIMARY KEY,
    partition       integer NOT NULL,
    position        bigint GENERATED ALWAYS AS IDENTITY,
    topic           text NOT NULL,
    key             bytea NOT NULL,
    value           bytea,
    signature       text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    sent_at         timestamptz,
    CHECK (value IS NOT NULL OR sent_at IS NOT NULL)
);
CREATE INDEX outbox_waiting ON records.outbox (partition, position) WHERE sent_at IS NULL;

-- Keys of the HTTP API: only a hash is kept. An empty account_id is an operator's key, for all accounts.
CREATE TABLE records.api_keys (
    key_id          text PRIMARY KEY,
    key_hash        bytea NOT NULL,
    account_id      text NOT NULL DEFAULT '',
    scopes          text[] NOT NULL,
    description     text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    revoked_at      timestamptz
);

-- A request's Idempotency-Key with what was asked and, when it is known, what was answered; kept for seven days.
CREATE TABLE records.idempotency (
    owner           text NOT NULL,
    key             text NOT NULL,
    request_hash    bytea NOT NULL,
    status          integer,
    answer          jsonb,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_age ON records.idempotency (created_at);
