-- The schema `records`: what can't be folded again from the log. It is migrated with care, and never dropped.
-- How to change it: see ledger/records/migrate.py.

-- The topics as they were created; one that differs later is refused at start.
CREATE TABLE records.topics (
    name            text PRIMARY KEY,
    topic_id        text NOT NULL,
    partitions      integer NOT NULL CHECK (partitions > 0),
    -- When its records were folded first; views that are empty later were lost, not new.
    projected_at    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- What else of a topic can't change without a loss: its replicas, and the begin and the last seen end of each
    -- partition. The ends of ledger.events are in views.progress.
    replicas        integer CHECK (replicas > 0),
    begins          bigint[],
    ends            bigint[]
);

-- Messages of a fold for Kafka, written in its transaction and published after it. Ids are kept for ever, so that
-- a second fold of the same log publishes only what was never published. A published message drops its value.
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
    -- When Kafka last refused the message, by its size for instance. It is tried again later, and others do not wait.
    refused_at      timestamptz,
    CHECK (value IS NOT NULL OR sent_at IS NOT NULL)
);
CREATE INDEX outbox_waiting ON records.outbox (partition, position) WHERE sent_at IS NULL;

-- Keys of the HTTP API: only a hash is kept. An empty account_id is an operator's key, for all accounts.
CREATE TABLE records.api_keys (
    key_id          text PRIMARY KEY,
    secret_hash     bytea NOT NULL,
    account_id      text NOT NULL DEFAULT '',
    scopes          text[] NOT NULL,
    description     text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    revoked_at      timestamptz
);

-- A request's Idempotency-Key with a hash of the request and, when it is known, the answer.
CREATE TABLE records.idempotency (
    owner           text NOT NULL,
    key             text NOT NULL,
    request_hash    bytea NOT NULL,
    refused         boolean,
    content         jsonb,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_age ON records.idempotency (created_at);

-- Rebuilds of the views

-- The views before a rebuild, as digests, until they were compared.

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

-- Holds

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
    amount              bigint NOT NULL CHECK (amount >= 0),  -- 0: the model is free
    state               text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'released', 'expired')),
    expires_at          timestamptz NOT NULL,
    -- The call that it was priced by, so that an extension can be priced; NULL for an amount that the router named.
    provider            text,
    model               text,
    mode                text,
    max_output_tokens   bigint,
    -- Its input tokens and attributes; NULL where the price of more output is the same without them.
    call                jsonb,
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

-- Refused authorizations that ask for a top-up: once per time that the machine is armed, by the entry that armed it.
CREATE TABLE records.top_up_requests (
    account_id          text NOT NULL,
    since_seq           bigint NOT NULL,
    available           bigint NOT NULL,
    balance             bigint NOT NULL,
    requested_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    appended_at         timestamptz,
    PRIMARY KEY (account_id, since_seq)
);
CREATE INDEX top_up_requests_due ON records.top_up_requests (requested_at) WHERE appended_at IS NULL;

-- The gate's first step in one call. What the funds mean, and what of them is granted, is decided outside
-- (ledger/core/spending.py). Its statements have a snapshot each, for it is volatile: the funds are read after the lock,
-- so that they are what the step before it has left.
CREATE FUNCTION records.locked_funds_v1(accounts text[], wait boolean)
RETURNS TABLE (
    account_id text, balance bigint, held bigint, behind_seconds float8,
    top_up_enabled boolean, top_up_threshold bigint, top_up_state text, top_up_since bigint, top_up_disputes integer
)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    locked text[];
BEGIN
    -- Every account has its row before it is locked; sorted, as the locks are.
    INSERT INTO records.held_accounts (account_id)
    SELECT DISTINCT asked FROM unnest(accounts) AS asked
    WHERE NOT EXISTS (SELECT FROM records.held_accounts h WHERE h.account_id = asked)
    ORDER BY asked
    ON CONFLICT DO NOTHING;
    IF wait THEN
        SELECT array_agg(l.account_id) INTO locked FROM (
            SELECT h.account_id FROM records.held_accounts h WHERE h.account_id = ANY (accounts)
            ORDER BY h.account_id FOR UPDATE
        ) l;
    ELSE
        SELECT array_agg(l.account_id) INTO locked FROM (
            SELECT h.account_id FROM records.held_accounts h WHERE h.account_id = ANY (accounts)
            ORDER BY h.account_id FOR UPDATE SKIP LOCKED
        ) l;
    END IF;
    RETURN QUERY
    SELECT h.account_id, coalesce(b.balance, 0), h.held,
           coalesce(extract(epoch FROM clock_timestamp() - CASE
               -- During a rebuild, usage that is not folded again yet has already ended its hold.
               WHEN EXISTS (SELECT FROM records.rebuilds WHERE finished_at IS NULL) THEN NULL
               -- Its first event may be in any partition.
               WHEN b.account_id IS NULL THEN
                   (SELECT CASE WHEN count(*) = count(through) THEN min(through) END FROM views.progress)
               ELSE p.through END), 'infinity')::float8,
           coalesce(a.top_up_enabled, false), a.top_up_threshold, a.state, coalesce(a.since_seq, 0),
           coalesce(a.open_disputes, 0)
    FROM records.held_accounts h
    LEFT JOIN views.balances b ON b.account_id = h.account_id
    LEFT JOIN views.progress p ON p.partition = b.partition
    LEFT JOIN views.accounts a ON a.account_id = h.account_id
    WHERE h.account_id = ANY (locked);
END
$$;

-- Charges that no hold covered, per partition, counted in the transaction that posts them: the bound of all overdrafts.
-- It is no view: holds are deleted after some days, so the log alone does not give these sums again.
CREATE TABLE records.uncovered (
    partition           integer NOT NULL,
    -- above_hold: the part of a charge above its hold; hold_ended: usage that names a hold which is not open, or none of
    -- its account; no_hold: charges that name none.
    cause               text NOT NULL CHECK (cause IN ('above_hold', 'hold_ended', 'no_hold')),
    charges             bigint NOT NULL,
    nanos               bigint NOT NULL,
    PRIMARY KEY (partition, cause)
);

-- Payments

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
-- credited nevertheless. `checkout_id` is the purchase's id, and random: who knows it may see the page to pay on.
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
    -- The provider's id, the page where the customer continues, and the parameters of the provider's script.
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

-- Every message that a provider signed, and its outcome.
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

-- Payments that can't be credited, or credits without a payment, until a person has resolved them.
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

-- The payment sweep. Its lists are read again from 30 days before `complete_at`: when the last sweep began that read all
-- of the provider's lists to their end.
CREATE TABLE records.sweeps (
    provider            text PRIMARY KEY,
    complete_at         timestamptz NOT NULL
);

-- Charging top-ups: one row per trigger, from when a charger first knows of it until it is over, and one per attempt.

-- The state of the charge (ledger/core/top_up_attempts.py). `token` counts leases: an older one may not write.
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
    -- When it may have been charged first; NULL: when it was triggered.
    search_from         timestamptz,
    -- Since when answers have decided nothing; NULL while they do.
    silent_since        timestamptz,
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

-- Customers

-- Who a customer is: personal data, which is never on the log. `ledger erase` deletes it.

-- One row per account that ever had a profile or a tax id. `country`: ISO 3166-1 alpha-2; `locale`: BCP 47.
CREATE TABLE records.profiles (
    account_id          text PRIMARY KEY,
    name                text,
    email               text,
    line1               text,
    line2               text,
    city                text,
    state               text,
    postal_code         text,
    country             text,
    time_zone           text,
    locale              text,
    updated_at          timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- `type` as Stripe names it, `value` written as Stripe expects it.
CREATE TABLE records.tax_ids (
    tax_id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id          text NOT NULL REFERENCES records.profiles ON DELETE CASCADE,
    country             text NOT NULL,
    type                text NOT NULL,
    value               text NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (account_id, type, value)
);

-- Visits of customers to the billing page: a link that opens one browser's session once, and that session. Both are
-- secrets, of which only hashes are kept.
CREATE TABLE records.portal_sessions (
    session_id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id          text NOT NULL,
    -- Which page the link leads to, and where the page leads back to.
    page                text NOT NULL,
    return_url          text,
    link_hash           bytea NOT NULL UNIQUE,
    link_until          timestamptz NOT NULL,
    -- NULL until the link was opened.
    cookie_hash         bytea UNIQUE,
    expires_at          timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    CHECK ((cookie_hash IS NULL) = (expires_at IS NULL))
);

-- Invoices and notices

-- Invoices and credit notes. They are kept for as long as the law asks, also when their customer is erased.

-- How far a consumer of facts has come in each partition of the views; moved in the transaction of its work.
CREATE TABLE records.fact_positions (
    consumer            text NOT NULL,
    partition           integer NOT NULL,
    next_offset         bigint NOT NULL CHECK (next_offset >= 0),
    PRIMARY KEY (consumer, partition)
);

-- The last number of each series and financial year. A transaction that takes the next one locks the row.
CREATE TABLE records.invoice_series (
    series              text NOT NULL,
    year                text NOT NULL,
    last                bigint NOT NULL CHECK (last >= 0),
    PRIMARY KEY (series, year)
);

-- One row per purchase and one per refund: `event_id` is that fact's. `content` is all that the document says, frozen.
-- It may be shown once its number is on the log (`recorded_at`): a number that was never shown may be used again.
CREATE TABLE records.invoices (
    number              text PRIMARY KEY,
    kind                text NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    series              text NOT NULL,
    year                text NOT NULL,
    position            bigint NOT NULL CHECK (position > 0),
    event_id            uuid NOT NULL,
    account_id          text NOT NULL,
    purchase_id         text NOT NULL,
    issued_on           date NOT NULL,
    currency            text NOT NULL,
    total_minor         bigint NOT NULL CHECK (total_minor >= 0),
    tax_minor           bigint NOT NULL CHECK (tax_minor BETWEEN 0 AND total_minor),
    content             jsonb NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_at         timestamptz,
    UNIQUE (series, year, position),
    UNIQUE (account_id, event_id)
);
CREATE INDEX invoices_of_account ON records.invoices (account_id, created_at, number);
CREATE INDEX invoices_of_purchase ON records.invoices (account_id, purchase_id);
CREATE INDEX invoices_unrecorded ON records.invoices (created_at) WHERE recorded_at IS NULL;

-- The document as it was set first, so that it has the same bytes for ever, whatever fonts and template become.
CREATE TABLE records.invoice_pdfs (
    number              text PRIMARY KEY REFERENCES records.invoices,
    pdf                 bytea NOT NULL,
    set_at              timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What is issued stays as it is; what was wrong is corrected by another document.
CREATE FUNCTION records.refuse_change_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an issued invoice never changes';
END
$$;
CREATE TRIGGER invoices_stay BEFORE UPDATE ON records.invoices FOR EACH ROW
    WHEN (OLD.recorded_at IS NOT NULL
          OR to_jsonb(OLD) - 'recorded_at' IS DISTINCT FROM to_jsonb(NEW) - 'recorded_at')
    EXECUTE FUNCTION records.refuse_change_v1();
CREATE TRIGGER invoices_are_kept BEFORE DELETE ON records.invoices FOR EACH ROW
    EXECUTE FUNCTION records.refuse_change_v1();
CREATE TRIGGER invoice_pdfs_stay BEFORE UPDATE OR DELETE ON records.invoice_pdfs FOR EACH ROW
    EXECUTE FUNCTION records.refuse_change_v1();

-- Notices to customers and routers: what happened, who gets it, and the result of each attempt.

-- Where notices go over HTTP. An empty account_id: those of all accounts. An empty list of types: all types.
CREATE TABLE records.webhook_endpoints (
    endpoint_id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id          text NOT NULL DEFAULT '',
    url                 text NOT NULL,
    description         text NOT NULL DEFAULT '',
    types               text[] NOT NULL DEFAULT '{}',
    -- Every notice is signed. For some time after a rotation the old secret signs, too.
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

-- Recovery

-- What `ledger recover` needs besides the views: the book, whose topic can be lost like any other.

-- Every event of the book that was ever folded by, as it was on its topic. `number`: counted from 1 in their order.
-- `appended_ms`: its log time.
CREATE TABLE records.book_events (
    number          integer PRIMARY KEY CHECK (number > 0),
    value           bytea NOT NULL,
    appended_ms     bigint NOT NULL,
    kept_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What a restore must not undo, and which database the log belongs to (docs/decisions/0018).

-- One row. The id is made once, and every dump of this database carries it.
CREATE TABLE records.installation (
    single              boolean PRIMARY KEY DEFAULT true CHECK (single),
    installation_id     uuid NOT NULL DEFAULT gen_random_uuid(),
    -- When all events of ledger.records were last applied here. If long ago, this database may have been restored.
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

-- Stretches of the log that can't be read and that a person has decided to skip: a second fold decides the same.
-- Only for the topic with this id: a topic that is created again has other records at these offsets.
CREATE TABLE records.skips (
    topic           text NOT NULL,
    topic_id        text NOT NULL,
    partition       integer NOT NULL,
    first_offset    bigint NOT NULL CHECK (first_offset >= 0),
    last_offset     bigint NOT NULL CHECK (last_offset >= first_offset),
    what            text NOT NULL,
    reason          text NOT NULL,
    decided_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, topic_id, partition, first_offset)
);
