-- What the API reads of the views. The order of a history is (log_time, seq), which never runs backwards.

-- part: account_columns
b.account_id, b.balance, coalesce(h.held, 0) AS held, b.level, p.through, a.package, a.month, a.month_traces,
a.top_up_enabled, a.top_up_threshold, a.top_up_amount, a.top_up_sizing, a.top_up_cap_day, a.top_up_cap_month,
a.top_up_provider, a.payment_method_id, a.state, a.reason, a.trigger_id::text,
a.day, a.day_spent, a.spent_month, a.month_spent

-- part: account_tables
views.balances b JOIN views.accounts a USING (account_id) JOIN views.progress p ON p.partition = b.partition
LEFT JOIN records.held_accounts h USING (account_id)

-- part: entry_columns
event_id::text, account_id, signed, type, seq, log_time, occurred_at, source, amount, balance_after, cost,
book_version, rules, partition, log_offset, request_id, provider, model, mode, api_key_id,
input_tokens, output_tokens, units, attributes,
trim_scale(provider_cost)::text AS provider_cost, trim_scale(extra_cost)::text AS extra_cost, own_key, free_traces, currency, clearing_minor, data

-- name: balance
SELECT b.account_id, b.balance, coalesce(h.held, 0) AS held, p.through
FROM views.balances b JOIN views.progress p USING (partition) LEFT JOIN records.held_accounts h USING (account_id)
WHERE b.account_id = %(account_id)s;

-- name: balance_at
-- The balance after the last entry up to a moment.
SELECT balance_after
FROM views.entries
WHERE account_id = %(account_id)s AND log_time <= %(at)s
ORDER BY log_time DESC, seq DESC
LIMIT 1;

-- name: account
SELECT {{account_columns}}
FROM {{account_tables}}
WHERE b.account_id = %(account_id)s;

-- name: accounts
-- In the order of their ids; those with a ":" are providers, not customers.
SELECT {{account_columns}}
FROM {{account_tables}}
WHERE b.account_id > %(after)s AND strpos(b.account_id, ':') = 0
ORDER BY b.account_id
LIMIT %(limit)s;

-- name: entry
-- Several accounts may have an event with the same id; one account may have a signed and an unsigned one.
SELECT {{entry_columns}}
FROM views.entries
WHERE event_id = %(event_id)s
  AND (%(account_id)s::text IS NULL OR account_id = %(account_id)s)
  AND (%(signed)s::boolean IS NULL OR signed = %(signed)s)
  AND type = ANY (%(types)s)
ORDER BY account_id, signed
LIMIT 2;

-- name: history
-- A page, newest first, before a place in the history.
SELECT {{entry_columns}}
FROM views.entries
WHERE account_id = %(account_id)s AND type = ANY (%(types)s)
  AND log_time >= %(since)s AND log_time <= %(before_time)s
  AND (log_time, seq) < (%(before_time)s, %(before_seq)s)
ORDER BY log_time DESC, seq DESC
LIMIT %(limit)s;

-- name: history_of_money
-- A page of types of the index entries_money. Repeats its condition, so that Postgres uses it.
SELECT {{entry_columns}}
FROM views.entries
WHERE account_id = %(account_id)s AND type = ANY (%(types)s)
  AND type IN ('credits.purchased', 'credits.refunded', 'dispute.opened', 'dispute.closed', 'credits.adjusted')
  AND (%(purchase_kind)s::text IS NULL OR data ->> 'kind' = %(purchase_kind)s)
  AND log_time >= %(since)s AND log_time <= %(before_time)s
  AND (log_time, seq) < (%(before_time)s, %(before_seq)s)
ORDER BY log_time DESC, seq DESC
LIMIT %(limit)s;

-- name: history_of_usage
-- A page of usage of one model or API key. Reads only days with such usage, only as many as fill the page, and of each
-- day only the part between the first match and the last.
WITH days AS (
    SELECT day, min(seq_first) AS seq_first, max(seq_last) AS seq_last, sum(requests) AS requests
    FROM views.usage_days
    WHERE account_id = %(account_id)s
      AND (%(model)s::text IS NULL OR model = %(model)s)
      AND (%(api_key_id)s::text IS NULL OR api_key_id = %(api_key_id)s)
      AND day BETWEEN (%(since)s::timestamptz AT TIME ZONE 'UTC')::date
                  AND (%(before_time)s::timestamptz AT TIME ZONE 'UTC')::date
    GROUP BY day
), newest AS (
    -- Does not count the day in which the page begins: it is not known how much of it lies before the page.
    SELECT day, seq_first, seq_last,
           coalesce(sum(requests) FILTER (WHERE day < (%(before_time)s::timestamptz AT TIME ZONE 'UTC')::date)
                    OVER (ORDER BY day DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS later
    FROM days
)
SELECT e.*
FROM newest d CROSS JOIN LATERAL (
    SELECT {{entry_columns}}
    FROM views.entries
    WHERE account_id = %(account_id)s AND type = 'usage.recorded'
      AND log_time >= greatest(%(since)s, d.day::timestamp AT TIME ZONE 'UTC')
      AND log_time < (d.day + 1)::timestamp AT TIME ZONE 'UTC'
      AND seq BETWEEN d.seq_first AND d.seq_last
      AND (log_time, seq) < (%(before_time)s, %(before_seq)s)
      AND (%(model)s::text IS NULL OR model = %(model)s)
      AND (%(api_key_id)s::text IS NULL OR api_key_id = %(api_key_id)s)
    ORDER BY log_time DESC, seq DESC
    LIMIT %(limit)s
) e
WHERE d.later < %(limit)s
ORDER BY e.log_time DESC, e.seq DESC
LIMIT %(limit)s;

-- name: usage_summary
SELECT CASE WHEN %(by_day)s THEN day END AS day,
       CASE WHEN %(by_model)s THEN provider END AS provider,
       CASE WHEN %(by_model)s THEN model END AS model,
       CASE WHEN %(by_api_key)s THEN api_key_id END AS api_key_id,
       sum(requests)::bigint AS requests, sum(input_tokens)::bigint AS input_tokens,
       sum(output_tokens)::bigint AS output_tokens, sum(cache_read_tokens)::bigint AS cache_read_tokens,
       sum(cache_write_tokens)::bigint AS cache_write_tokens, sum(traces)::bigint AS traces,
       sum(free_traces)::bigint AS free_traces, sum(cost)::bigint AS cost, sum(charge)::bigint AS charge
FROM views.usage_days
WHERE account_id = %(account_id)s AND day >= %(since)s AND day < %(until)s
GROUP BY 1, 2, 3, 4
ORDER BY 1 DESC, 2, 3, 4;

-- name: progress
SELECT partition, next_offset, log_end, through, waits_for, waits_since, waits_detail
FROM views.progress
ORDER BY partition;

-- name: offsets
SELECT partition, next_offset FROM views.progress;

-- name: dead_letter
SELECT code, reason, field
FROM views.dead_letters
WHERE topic = %(topic)s AND partition = %(partition)s AND log_offset = %(offset)s;

-- name: record_counts
SELECT type, outcome, sum(records)::bigint AS records FROM views.record_counts GROUP BY type, outcome;

-- name: quarantine
-- Usage that waits for a decision, oldest first.
SELECT account_id, event_id::text, signed, log_time, charge, decision
FROM views.quarantine
WHERE decision IS NULL AND (%(account_id)s::text IS NULL OR account_id = %(account_id)s)
  AND (log_time, account_id, event_id) > (%(after_time)s, %(after_account)s, %(after_event)s::uuid)
ORDER BY log_time, account_id, event_id
LIMIT %(limit)s;

-- name: quarantined
SELECT account_id, event_id::text, signed, log_time, charge, decision
FROM views.quarantine
WHERE account_id = %(account_id)s AND event_id = %(event_id)s::uuid;

-- name: quarantined_lines
SELECT {{entry_columns}}
FROM views.entries
WHERE (event_id, account_id, signed)
    IN (SELECT * FROM unnest(%(events)s::uuid[], %(accounts)s::text[], %(signed)s::boolean[]));

-- name: quarantine_waiting
SELECT count(*) AS waiting, coalesce(extract(epoch FROM now() - min(log_time)), 0)::float8 AS oldest_seconds
FROM views.quarantine
WHERE decision IS NULL;

-- name: outbox_waiting
SELECT count(*) AS waiting, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds,
       count(refused_at) AS refused
FROM records.outbox
WHERE sent_at IS NULL;
