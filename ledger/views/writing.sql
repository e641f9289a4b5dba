-- What the projectors write, one batch in one transaction. Arrays hold one element per row.

-- name: lock_partition
-- Waits until no other session writes a batch of this partition.
SELECT pg_advisory_xact_lock(%(namespace)s, %(partition)s);

-- name: find_blockers
-- Sessions that hold a partition for too long: their process was stopped, or lost its connection, within a batch.
SELECT a.pid
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = %(namespace)s AND l.objid = %(partition)s AND l.objsubid = 2
  AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND a.xact_start < clock_timestamp() - make_interval(secs => %(seconds)s);

-- name: terminate
SELECT pg_terminate_backend(%(pid)s);

-- name: advance_progress
-- The fence: no row when another worker has folded this partition in the meantime.
UPDATE views.progress
SET next_offset = %(next_offset)s,
    last_offset = coalesce(%(last_offset)s, last_offset), last_record = coalesce(%(last_record)s, last_record),
    through = coalesce(to_timestamp(%(through_ms)s::numeric / 1000), through)
WHERE partition = %(partition)s AND next_offset = %(expected)s;

-- name: note_caught_up
-- Notes that everything up to this moment is folded, and what the partition waits for, if it does.
UPDATE views.progress
SET log_end = %(log_end)s, waits_for = %(waits_for)s, waits_detail = %(waits_detail)s,
    waits_since = to_timestamp(%(waits_since_ms)s::numeric / 1000),
    through = CASE WHEN next_offset >= %(log_end)s
              THEN greatest(through, to_timestamp(%(asked_ms)s::numeric / 1000)) ELSE through END
WHERE partition = %(partition)s AND next_offset = %(expected)s;

-- name: make_progress
INSERT INTO views.progress (partition, next_offset) SELECT n, 0 FROM generate_series(0, %(partitions)s - 1) AS n;

-- name: load_progress
SELECT next_offset, last_offset, last_record FROM views.progress WHERE partition = %(partition)s;

-- name: folded
SELECT partition, next_offset, last_offset, last_record FROM views.progress;

-- name: load_accounts
SELECT b.account_id, b.balance, b.seq, b.log_time_ms, b.level, a.package, a.opened, a.month, a.month_traces,
       a.top_up_enabled, a.top_up_threshold, a.top_up_amount, a.top_up_sizing, a.top_up_cap_day, a.top_up_cap_month,
       a.top_up_provider, a.payment_method_id,
       a.state, a.trigger_id::text, a.trigger_credits, a.reason, a.day, a.day_spent, a.spent_month, a.month_spent,
       a.open_disputes, a.since_seq
FROM views.balances b JOIN views.accounts a USING (account_id)
WHERE b.account_id = ANY (%(accounts)s);

-- name: load_purchases
SELECT account_id, purchase_id, credits, provider, currency, amount_minor, tax_minor,
       refunded, refunded_minor, disputed, disputed_minor, lost, lost_minor
FROM views.purchases JOIN unnest(%(accounts)s::text[], %(purchases)s::text[]) AS wanted (account_id, purchase_id)
USING (account_id, purchase_id);

-- name: find_posted
-- Which of these ids have an entry, and with what content.
SELECT account_id, signed, event_id::text, replace(content::text, '-', '')
FROM views.entries WHERE event_id = ANY (%(ids)s::uuid[]);

-- name: copy_usage
COPY views.entries (event_id, account_id, signed, content, type, seq, log_time, occurred_at, source, dataschema,
    amount, balance_after, cost, book_version, rules, partition, log_offset,
    request_id, provider, model, mode, api_key_id, authorization_id,
    input_tokens, output_tokens, units, attributes, provider_cost, extra_cost, own_key, data)
FROM STDIN;

-- name: copy_others
COPY views.entries (event_id, account_id, signed, content, type, seq, log_time, occurred_at, source, dataschema,
    amount, balance_after, cost, book_version, rules, partition, log_offset,
    free_traces, provider, currency, clearing_minor, tax_minor, fee_minor, data)
FROM STDIN;

-- name: put_balances
INSERT INTO views.balances (account_id, partition, balance, seq, log_time_ms, level)
SELECT account_id, %(partition)s, balance, seq, log_time_ms, level
FROM unnest(%(accounts)s::text[], %(balances)s::bigint[], %(seqs)s::bigint[], %(log_times)s::bigint[], %(levels)s::text[])
    AS new (account_id, balance, seq, log_time_ms, level)
ON CONFLICT (account_id) DO UPDATE
SET balance = excluded.balance, seq = excluded.seq, log_time_ms = excluded.log_time_ms, level = excluded.level;

-- name: put_account
INSERT INTO views.accounts (account_id, partition, package, opened, month, month_traces,
    top_up_enabled, top_up_threshold, top_up_amount, top_up_sizing, top_up_cap_day, top_up_cap_month,
    top_up_provider, payment_method_id, state, trigger_id, trigger_credits, reason,
    day, day_spent, spent_month, month_spent, open_disputes, since_seq)
VALUES (%(account_id)s, %(partition)s, %(package)s, %(opened)s, %(month)s, %(month_traces)s,
    %(enabled)s, %(threshold)s, %(amount)s, %(sizing)s, %(cap_day)s, %(cap_month)s,
    %(provider)s, %(payment_method_id)s, %(state)s, %(trigger_id)s, %(trigger_credits)s, %(reason)s,
    %(day)s, %(day_spent)s, %(spent_month)s, %(month_spent)s, %(open_disputes)s, %(since_seq)s)
ON CONFLICT (account_id) DO UPDATE
SET package = excluded.package, opened = excluded.opened, month = excluded.month,
    month_traces = excluded.month_traces, top_up_enabled = excluded.top_up_enabled,
    top_up_threshold = excluded.top_up_threshold, top_up_amount = excluded.top_up_amount,
    top_up_sizing = excluded.top_up_sizing, top_up_cap_day = excluded.top_up_cap_day,
    top_up_cap_month = excluded.top_up_cap_month, top_up_provider = excluded.top_up_provider,
    payment_method_id = excluded.payment_method_id, state = excluded.state, trigger_id = excluded.trigger_id,
    trigger_credits = excluded.trigger_credits, reason = excluded.reason, day = excluded.day,
    day_spent = excluded.day_spent, spent_month = excluded.spent_month, month_spent = excluded.month_spent,
    open_disputes = excluded.open_disputes, since_seq = excluded.since_seq;

-- name: put_purchase
INSERT INTO views.purchases (account_id, purchase_id, credits, provider, currency, amount_minor, tax_minor,
    refunded, refunded_minor, disputed, disputed_minor, lost, lost_minor)
VALUES (%(account_id)s, %(purchase_id)s, %(credits)s, %(provider)s, %(currency)s, %(amount_minor)s, %(tax_minor)s,
    %(refunded)s, %(refunded_minor)s, %(disputed)s, %(disputed_minor)s, %(lost)s, %(lost_minor)s)
ON CONFLICT (account_id, purchase_id) DO UPDATE
SET refunded = excluded.refunded, refunded_minor = excluded.refunded_minor, disputed = excluded.disputed,
    disputed_minor = excluded.disputed_minor, lost = excluded.lost, lost_minor = excluded.lost_minor;

-- name: add_usage_days
INSERT INTO views.usage_days AS d (account_id, day, provider, model, api_key_id, requests, input_tokens, output_tokens,
    cache_read_tokens, cache_write_tokens, traces, free_traces, cost, charge, seq_first, seq_last)
SELECT account_id, date '1970-01-01' + day, provider, model, api_key_id, requests, input_tokens, output_tokens,
    cache_read_tokens, cache_write_tokens, traces, free_traces, cost, charge, seq_first, seq_last
FROM unnest(%(accounts)s::text[], %(days)s::int[], %(providers)s::text[], %(models)s::text[], %(keys)s::text[],
    %(requests)s::bigint[], %(inputs)s::bigint[], %(outputs)s::bigint[], %(read)s::bigint[], %(written)s::bigint[],
    %(traces)s::bigint[], %(free)s::bigint[], %(costs)s::bigint[], %(charges)s::bigint[], %(firsts)s::bigint[], %(lasts)s::bigint[])
    AS new (account_id, day, provider, model, api_key_id, requests, input_tokens, output_tokens,
            cache_read_tokens, cache_write_tokens, traces, free_traces, cost, charge, seq_first, seq_last)
ON CONFLICT (account_id, day, provider, model, api_key_id) DO UPDATE
SET requests = d.requests + excluded.requests,
    input_tokens = d.input_tokens + excluded.input_tokens,
    output_tokens = d.output_tokens + excluded.output_tokens,
    cache_read_tokens = d.cache_read_tokens + excluded.cache_read_tokens,
    cache_write_tokens = d.cache_write_tokens + excluded.cache_write_tokens,
    traces = d.traces + excluded.traces,
    free_traces = d.free_traces + excluded.free_traces,
    cost = d.cost + excluded.cost,
    charge = d.charge + excluded.charge,
    seq_last = excluded.seq_last;

-- name: add_record_count
INSERT INTO views.record_counts AS t (partition, type, outcome, records)
VALUES (%(partition)s, %(type)s, %(outcome)s, %(records)s)
ON CONFLICT (partition, type, outcome) DO UPDATE SET records = t.records + excluded.records;

-- name: add_dead_letter
INSERT INTO views.dead_letters
    (topic, partition, log_offset, code, field, reason, account_id, event_id, type, log_time, excerpt)
VALUES (%(topic)s, %(partition)s, %(log_offset)s, %(code)s, %(field)s, %(reason)s, %(account_id)s, %(event_id)s,
    %(type)s, to_timestamp(%(log_time_ms)s::numeric / 1000), %(excerpt)s)
ON CONFLICT DO NOTHING;

-- name: add_quarantine
INSERT INTO views.quarantine (account_id, event_id, signed, log_time, charge)
VALUES (%(account_id)s, %(event_id)s, %(signed)s, %(time)s, %(charge)s);

-- name: decide_quarantine
UPDATE views.quarantine SET decision = %(decision)s, decided_at = %(time)s
WHERE account_id = %(account_id)s AND event_id = %(event_id)s AND signed = %(signed)s;
