-- Charging top-ups: one row per trigger, from when a charger first hears of it until it is over, and one per attempt.

-- Where the charge stands (ledger/core/charging.py). `token` counts leases: a write with an older one is refused.
CREATE TABLE records.top_up_triggers (
    trigger_id          uuid PRIMARY KEY,
    account_id          text NOT NULL,
    provider            text NOT NULL,
    -- The policy's; NULL: the customer's default.
    method_id           text,
    credits             bigint NOT NULL CHECK (credits > 0),
    triggered_at        timestamptz NOT NULL,
    state               text NOT NULL DEFAULT 'due' CHECK (state IN
                        ('due', 'sent', 'pending', 'canceling', 'credited', 'suspended', 'dropped')),
    attempt             integer NOT NULL DEFAULT 1 CHECK (attempt > 0),
    silent              integer NOT NULL DEFAULT 0,
    searched_at         timestamptz,
    payment_id          text,
    -- Where the customer pays it, or may buy instead.
    url                 text,
    failure             text,
    due_at              timestamptz NOT NULL,
    token               bigint NOT NULL DEFAULT 0,
    leased_until        timestamptz,
    changed_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at            timestamptz,
    CHECK ((state IN ('credited', 'suspended', 'dropped')) = (ended_at IS NOT NULL))
);
CREATE INDEX top_up_triggers_open ON records.top_up_triggers (due_at) WHERE ended_at IS NULL;
CREATE INDEX top_up_triggers_of_account ON records.top_up_triggers (account_id, triggered_at);

-- Written before the provider is asked, and what the provider is asked again with: the same key takes nothing else.
CREATE TABLE records.top_up_attempts (
    trigger_id          uuid NOT NULL,
    attempt             integer NOT NULL,
    -- NULL for a payment link.
    customer_id         text,
    method_id           text,
    currency            text NOT NULL,
    amount_minor        bigint NOT NULL CHECK (amount_minor > 0),
    tax_minor           bigint NOT NULL CHECK (tax_minor >= 0),
    fx_rate             text NOT NULL,
    calls               integer NOT NULL DEFAULT 1,
    outcome             text,
    code                text,
    payment_id          text,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    answered_at         timestamptz,
    PRIMARY KEY (trigger_id, attempt)
);
