-- Notices to customers and routers: what happened, whom it is told, and how each attempt to tell went.

-- Where notices go over HTTP. An empty account_id: those of all accounts. An empty list of types: all types.
CREATE TABLE records.webhook_endpoints (
    endpoint_id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id          text NOT NULL DEFAULT '',
    url                 text NOT NULL,
    description         text NOT NULL DEFAULT '',
    types               text[] NOT NULL DEFAULT '{}',
    -- Nothing goes out unsigned. While a secret is rotated, the one before signs beside it.
    secret              text NOT NULL CHECK (secret LIKE 'whsec\_%'),
    previous_secret     text CHECK (previous_secret LIKE 'whsec\_%'),
    previous_until      timestamptz,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    disabled_at         timestamptz
);
CREATE INDEX webhook_endpoints_of_account ON records.webhook_endpoints (account_id, created_at);

-- One per fact or effect, whatever is replayed: the id follows from the event's. No personal data.
CREATE TABLE records.notices (
    notice_id           uuid PRIMARY KEY,
    account_id          text NOT NULL,
    type                text NOT NULL,
    occurred_at         timestamptz NOT NULL,
    data                jsonb NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX notices_of_account ON records.notices (account_id, created_at);

-- A notice on its way to one endpoint, or (without one) to the customer's e-mail address.
CREATE TABLE records.deliveries (
    delivery_id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    notice_id           uuid NOT NULL REFERENCES records.notices,
    endpoint_id         uuid REFERENCES records.webhook_endpoints,
    state               text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts            integer NOT NULL DEFAULT 0,
    due_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE NULLS NOT DISTINCT (notice_id, endpoint_id)
);
CREATE INDEX deliveries_due ON records.deliveries (due_at) WHERE state = 'waiting';
CREATE INDEX deliveries_of_endpoint ON records.deliveries (endpoint_id, created_at, delivery_id);

-- The log of a delivery. `status`: what HTTP or SMTP answered; `error`: why there was no answer, or no good one.
CREATE TABLE records.delivery_attempts (
    delivery_id         uuid NOT NULL REFERENCES records.deliveries,
    attempt             integer NOT NULL,
    attempted_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    status              integer,
    error               text,
    milliseconds        integer NOT NULL,
    PRIMARY KEY (delivery_id, attempt)
);
