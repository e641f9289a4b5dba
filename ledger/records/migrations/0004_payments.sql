-- Payments: a row first, then the provider, then the fact on the log. None of this can be folded again.

-- Who an account is at a provider. At Razorpay, accounts with the same e-mail address are the same customer.
CREATE TABLE records.customers (
    account_id          text NOT NULL,
    provider            text NOT NULL,
    customer_id         text NOT NULL,
    PRIMARY KEY (account_id, provider)
);
CREATE INDEX customers_at_provider ON records.customers (provider, customer_id);

-- One row per purchase that a customer began. Final: credited, failed, expired, mismatched; but what is paid late is
-- credited nevertheless. `checkout_id` is the purchase's id, and random: whoever knows it may see the page to pay on.
CREATE TABLE records.checkouts (
    checkout_id         uuid PRIMARY KEY,
    -- Of the request that began it: repeated, it is the same purchase.
    request             text UNIQUE,
    account_id          text NOT NULL,
    provider            text NOT NULL,
    credits             bigint NOT NULL CHECK (credits > 0),
    currency            text NOT NULL,
    amount_minor        bigint NOT NULL CHECK (amount_minor > 0),
    tax_minor           bigint NOT NULL CHECK (tax_minor >= 0),
    fx_rate             text NOT NULL,
    -- What the provider shows.
    description         text NOT NULL,
    customer_id         text,
    method_id           text,
    return_url          text,
    state               text NOT NULL DEFAULT 'created'
                        CHECK (state IN ('created', 'begun', 'credited', 'failed', 'expired', 'mismatched')),
    -- What the provider calls it, where the customer goes on, and what its script is given.
    reference           text,
    url                 text,
    fields              jsonb NOT NULL DEFAULT '{}',
    payment_id          text,
    failure             text,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    asked_at            timestamptz,
    ended_at            timestamptz,
    CHECK ((state IN ('created', 'begun')) = (ended_at IS NULL)),
    CHECK (state <> 'credited' OR payment_id IS NOT NULL)
);
CREATE UNIQUE INDEX checkouts_reference ON records.checkouts (provider, reference);
CREATE INDEX checkouts_payment ON records.checkouts (provider, payment_id);
CREATE INDEX checkouts_of_account ON records.checkouts (account_id, created_at);
CREATE INDEX checkouts_open ON records.checkouts (created_at) WHERE ended_at IS NULL;

-- Every message that a provider signed, and what it did.
CREATE TABLE records.provider_events (
    provider            text NOT NULL,
    event_id            text NOT NULL,
    type                text NOT NULL,
    created             timestamptz NOT NULL,
    received_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    deliveries          integer NOT NULL DEFAULT 1,
    outcome             text,
    PRIMARY KEY (provider, event_id)
);

-- What is paid but can't be credited, or the other way round, until somebody has looked at it.
CREATE TABLE records.payment_alerts (
    provider            text NOT NULL,
    payment_id          text NOT NULL,
    reason              text NOT NULL,
    account_id          text,
    details             jsonb NOT NULL DEFAULT '{}',
    raised_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at         timestamptz,
    PRIMARY KEY (provider, payment_id, reason)
);
