-- Credits that are promised to requests under way. Locks are taken in one order everywhere: the rows of held_accounts,
-- sorted, then holds.

-- One row per account that ever held; `held` is the sum of its open holds, kept beside them so that it needs no scan.
CREATE TABLE records.held_accounts (
    account_id          text PRIMARY KEY,
    held                bigint NOT NULL DEFAULT 0 CHECK (held >= 0)
) WITH (fillfactor = 50);

-- One row per hold. It ends once: settled by the usage that names it, released, or expired.
CREATE TABLE records.holds (
    hold_id             uuid PRIMARY KEY,
    account_id          text NOT NULL,
    amount              bigint NOT NULL CHECK (amount > 0),
    state               text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'released', 'expired')),
    expires_at          timestamptz NOT NULL,
    -- What it was priced by, so that an extension can be; NULL for an amount that the router named.
    provider            text,
    model               text,
    mode                text,
    max_output_tokens   bigint,
    api_key_id          text,
    -- Of a request with an Idempotency-Key.
    request_hash        bytea,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at           timestamptz,
    settled_by          uuid,
    charged             bigint,
    CHECK ((state = 'open') = (closed_at IS NULL)),
    CHECK ((state = 'settled') = (settled_by IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX holds_open ON records.holds (expires_at) WHERE state = 'open';
CREATE INDEX holds_closed ON records.holds (closed_at) WHERE state <> 'open';

-- Refused authorizations that asked for a top-up: once per time that the machine is armed, by the entry that armed it.
-- What is said is kept, so that whoever says it says the same.
CREATE TABLE records.top_up_requests (
    account_id          text NOT NULL,
    since_seq           bigint NOT NULL,
    available           bigint NOT NULL,
    balance             bigint NOT NULL,
    tried_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    appended_at         timestamptz,
    PRIMARY KEY (account_id, since_seq)
);
