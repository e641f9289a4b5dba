-- Everything that the projectors fold from the log. All of it can be dropped and folded again: `ledger rebuild`.
-- Amounts are nanos (10⁻⁹ credit), money at providers is minor units, times of the log are its own clock.

CREATE SCHEMA views;

-- How far each partition is folded. `last_*` identify that record, so that a log that lost its tail is noticed;
-- `through` is the time up to which the views are true, `log_end` where the log ended when that was last asked.
-- `waits_for`: what stops the fold of the partition, since when, and at which offset.
CREATE TABLE views.progress (
    partition       integer PRIMARY KEY,
    next_offset     bigint NOT NULL CHECK (next_offset >= 0),
    last_offset     bigint,
    last_record     text,
    through         timestamptz,
    log_end         bigint,
    waits_for       text CHECK (waits_for IN ('transaction', 'unreadable')),
    waits_since     timestamptz,
    waits_detail    text
);

-- One line per accepted event of an account, many of them with amount 0. Identity is (account, signed or not, id). What
-- the log loses is put back from here (`ledger recover`), so a line has all that its event's `content` covers.
CREATE TABLE views.entries (
    event_id            uuid NOT NULL,
    account_id          text NOT NULL,
    signed              boolean NOT NULL,
    content             uuid NOT NULL,
    type                text NOT NULL,
    seq                 bigint NOT NULL CHECK (seq > 0),
    log_time            timestamptz NOT NULL,
    occurred_at         timestamptz,
    source              text NOT NULL,
    dataschema          text,
    amount              bigint NOT NULL,
    balance_after       bigint NOT NULL,
    cost                bigint NOT NULL DEFAULT 0,
    book_version        integer NOT NULL,
    rules               smallint NOT NULL,
    partition           integer NOT NULL,
    log_offset          bigint NOT NULL,
    -- usage.recorded
    request_id          text,
    provider            text,
    model               text,
    mode                text,
    api_key_id          text,
    authorization_id    text,
    input_tokens        bigint,
    output_tokens       bigint,
    units               jsonb,
    attributes          jsonb,
    -- Without a scale: they keep the digits as they were stated, which the content covers.
    provider_cost       numeric,
    extra_cost          numeric,
    own_key             boolean,
    -- trace.recorded
    free_traces         bigint,
    -- money at a provider
    currency            text,
    clearing_minor      bigint,
    tax_minor           bigint,
    fee_minor           bigint,
    -- the event's data, for every type but usage, whose fields are columns; of usage only its metadata
    data                jsonb,
    -- The id comes first because ids are time-ordered when clients follow the advice: inserts stay on hot pages.
    PRIMARY KEY (event_id, account_id, signed)
);

-- Log time never runs backwards within an account, so one index serves the history, its ranges in time, and the
-- balance at any moment.
CREATE UNIQUE INDEX entries_history ON views.entries (account_id, log_time, seq);
CREATE INDEX entries_money ON views.entries (account_id, log_time, seq)
    WHERE type IN ('credits.purchased', 'credits.refunded', 'dispute.opened', 'dispute.closed', 'credits.adjusted');
-- For reports over all accounts: months of entries, and of those alone that moved money at a provider. Entries arrive
-- nearly in the order of the log's time, so that a few bytes per hundred pages are an index.
CREATE INDEX entries_time ON views.entries USING brin (log_time) WITH (pages_per_range = 32);
CREATE INDEX entries_providers ON views.entries (log_time) WHERE currency IS NOT NULL;
-- For consumers that act on facts (invoices, notices): partition by partition, in the order of the log.
CREATE INDEX entries_facts ON views.entries (partition, log_offset)
    WHERE type IN ('credits.purchased', 'credits.refunded', 'dispute.opened', 'dispute.closed', 'auto_top_up.failed',
                   'invoice.issued');

-- The balance of every account; rewritten by nearly every batch, hence narrow and with room on its pages.
CREATE TABLE views.balances (
    account_id      text PRIMARY KEY,
    partition       integer NOT NULL,
    balance         bigint NOT NULL,
    seq             bigint NOT NULL,
    log_time_ms     bigint NOT NULL,
    level           text NOT NULL
) WITH (fillfactor = 50);

-- The rest of an account's state: package, traces of the month, auto-top-up policy and machine.
CREATE TABLE views.accounts (
    account_id          text PRIMARY KEY,
    partition           integer NOT NULL,
    package             text NOT NULL,
    opened              boolean NOT NULL,
    month               integer NOT NULL,
    month_traces        bigint NOT NULL,
    top_up_enabled      boolean,
    top_up_threshold    bigint,
    top_up_amount       bigint,
    top_up_sizing       text,
    top_up_cap_day      bigint,
    top_up_cap_month    bigint,
    top_up_provider     text,
    payment_method_id   text,
    state               text NOT NULL CHECK (state IN ('armed', 'in_flight', 'capped', 'suspended')),
    trigger_id          uuid,
    trigger_credits     bigint NOT NULL,
    reason              text,
    day                 integer NOT NULL,
    day_spent           bigint NOT NULL,
    spent_month         integer NOT NULL,
    month_spent         bigint NOT NULL,
    open_disputes       integer NOT NULL,
    since_seq           bigint NOT NULL,
    CHECK ((state = 'in_flight') = (trigger_id IS NOT NULL))
) WITH (fillfactor = 70);

-- Purchases and what became of each; the fold reads one back when an event names it.
CREATE TABLE views.purchases (
    account_id      text NOT NULL,
    purchase_id     text NOT NULL,
    credits         bigint NOT NULL,
    provider        text NOT NULL,
    currency        text NOT NULL,
    amount_minor    bigint NOT NULL,
    tax_minor       bigint NOT NULL,
    refunded        bigint NOT NULL,
    refunded_minor  bigint NOT NULL,
    disputed        bigint NOT NULL,
    disputed_minor  bigint NOT NULL,
    lost            bigint NOT NULL,
    lost_minor      bigint NOT NULL,
    PRIMARY KEY (account_id, purchase_id),
    CHECK (refunded + disputed + lost <= credits)
);

-- Usage per account, UTC day of the log, model and API key ('' for none). `seq_*` bound where in the history it is.
-- Traces belong to no provider, model or key: they are sums of their own with '' for all three, and no requests.
CREATE TABLE views.usage_days (
    account_id          text NOT NULL,
    day                 date NOT NULL,
    provider            text NOT NULL,
    model               text NOT NULL,
    api_key_id          text NOT NULL,
    requests            bigint NOT NULL,
    input_tokens        bigint NOT NULL,
    output_tokens       bigint NOT NULL,
    cache_read_tokens   bigint NOT NULL,
    cache_write_tokens  bigint NOT NULL,
    traces              bigint NOT NULL,
    free_traces         bigint NOT NULL,
    cost                bigint NOT NULL,
    charge              bigint NOT NULL,
    seq_first           bigint NOT NULL,
    seq_last            bigint NOT NULL,
    PRIMARY KEY (account_id, day, provider, model, api_key_id)
) WITH (fillfactor = 50);

CREATE INDEX usage_days_time ON views.usage_days USING brin (day) WITH (pages_per_range = 32);

-- The outcomes of the records of each partition: posted, duplicate, dead_letter or forwarded, by event type.
CREATE TABLE views.record_counts (
    partition       integer NOT NULL,
    type            text NOT NULL,
    outcome         text NOT NULL CHECK (outcome IN ('posted', 'duplicate', 'dead_letter', 'forwarded')),
    records         bigint NOT NULL,
    PRIMARY KEY (partition, type, outcome)
);

-- Usage that was kept aside, because its charge was not plausible, and what an operator decided.
CREATE TABLE views.quarantine (
    account_id      text NOT NULL,
    event_id        uuid NOT NULL,
    signed          boolean NOT NULL,
    log_time        timestamptz NOT NULL,
    charge          bigint NOT NULL,  -- what it would have been
    decision        text CHECK (decision IN ('accepted', 'dropped')),  -- NULL: it waits for one
    decided_at      timestamptz,
    PRIMARY KEY (account_id, event_id, signed),
    CHECK ((decision IS NULL) = (decided_at IS NULL))
);
CREATE INDEX quarantine_waiting ON views.quarantine (log_time) WHERE decision IS NULL;

-- Records that could not be read or applied: where they are, and why.
CREATE TABLE views.dead_letters (
    topic           text NOT NULL,
    partition       integer NOT NULL,
    log_offset      bigint NOT NULL,
    code            text NOT NULL,
    field           text,  -- NULL: it is not about one field
    reason          text NOT NULL,
    account_id      text,
    event_id        uuid,
    type            text,
    log_time        timestamptz NOT NULL,
    excerpt         text NOT NULL,
    PRIMARY KEY (topic, partition, log_offset)
);
CREATE INDEX dead_letters_event ON views.dead_letters (event_id) WHERE event_id IS NOT NULL;

-- The postings of every entry, without those of zero. The rule is in ledger/core/postings.py: a test compares this text
-- with it, and shows the right one.
CREATE VIEW views.postings AS
SELECT e.account_id, e.event_id, e.signed, e.seq, e.log_time,
       leg.account AS posting_account, leg.unit, leg.amount
FROM views.entries e CROSS JOIN LATERAL (VALUES
    (ARRAY['usage.recorded', 'usage.accepted', 'trace.recorded', 'credits.purchased', 'credits.refunded',
           'dispute.opened', 'dispute.closed', 'credits.adjusted'], 'customer_credits', 'CREDIT', + e.amount),
    (ARRAY['usage.recorded', 'usage.accepted'], 'provider_cost', 'CREDIT', + e.cost),
    (ARRAY['usage.recorded', 'usage.accepted'], 'markup', 'CREDIT', - e.amount - e.cost),
    (ARRAY['trace.recorded'], 'trace_revenue', 'CREDIT', - e.amount),
    (ARRAY['credits.adjusted'], 'adjustments', 'CREDIT', - e.amount),
    (ARRAY['credits.purchased'], 'purchases', 'CREDIT', - e.amount),
    (ARRAY['credits.refunded'], 'refunds', 'CREDIT', - e.amount),
    (ARRAY['dispute.opened', 'dispute.closed'], 'disputes', 'CREDIT', - e.amount),
    (ARRAY['credits.purchased', 'credits.refunded', 'dispute.opened', 'dispute.closed', 'payout.received'],
        'clearing:' || e.provider || '', e.currency, + e.clearing_minor),
    (ARRAY['credits.purchased', 'credits.refunded'], 'tax:' || e.provider || '', e.currency, - e.tax_minor),
    (ARRAY['credits.purchased'], 'purchases:' || e.provider || '', e.currency, - e.clearing_minor + e.tax_minor),
    (ARRAY['credits.refunded'], 'refunds:' || e.provider || '', e.currency, - e.clearing_minor + e.tax_minor),
    (ARRAY['dispute.opened', 'dispute.closed'], 'disputes:' || e.provider || '', e.currency, - e.clearing_minor),
    (ARRAY['payout.received'], 'payouts:' || e.provider || '', e.currency, - e.clearing_minor - e.fee_minor),
    (ARRAY['payout.received'], 'fees:' || e.provider || '', e.currency, + e.fee_minor)
) AS leg (types, account, unit, amount)
WHERE e.type = ANY (leg.types) AND leg.amount <> 0;
