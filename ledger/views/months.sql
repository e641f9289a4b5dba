-- What the report of a month is made of: from `since` up to, not including, `until`.

-- name: liability
-- The sum of all balances just before a moment. Entries are read only for accounts that have changed since.
SELECT coalesce(sum(balance) FILTER (WHERE balance > 0), 0) AS held,
       coalesce(sum(balance) FILTER (WHERE balance < 0), 0) AS owed,
       count(*) FILTER (WHERE balance > 0) AS accounts_holding, count(*) FILTER (WHERE balance < 0) AS accounts_owing
FROM (
    SELECT CASE WHEN b.log_time_ms < %(at_ms)s THEN b.balance
           ELSE (SELECT e.balance_after FROM views.entries e
                 WHERE e.account_id = b.account_id AND e.log_time < %(at)s
                 ORDER BY e.log_time DESC, e.seq DESC LIMIT 1)
           END AS balance
    FROM views.balances b
) accounts;

-- name: sums
-- Sums of the columns from which postings are computed.
SELECT type, provider, currency,
       CASE type WHEN 'credits.purchased' THEN data ->> 'kind' WHEN 'dispute.closed' THEN data ->> 'outcome' END AS kind,
       CASE type WHEN 'trace.recorded' THEN book_version END AS book_version,
       count(*) AS entries, sum(amount) AS amount, sum(cost) AS cost,
       coalesce(sum(CASE type WHEN 'trace.recorded' THEN (data ->> 'count')::bigint END), 0) AS traces,
       coalesce(sum(free_traces), 0) AS free_traces, coalesce(sum(clearing_minor), 0) AS clearing_minor,
       coalesce(sum(tax_minor), 0) AS tax_minor, coalesce(sum(fee_minor), 0) AS fee_minor
FROM views.entries
WHERE log_time >= %(since)s AND log_time < %(until)s
GROUP BY 1, 2, 3, 4, 5;

-- name: days
SELECT provider, sum(requests) AS requests, sum(traces) AS traces, sum(free_traces) AS free_traces,
       sum(cost) AS cost, sum(charge) AS charge
FROM views.usage_days
WHERE day >= (%(since)s AT TIME ZONE 'UTC')::date AND day < (%(until)s AT TIME ZONE 'UTC')::date
GROUP BY provider;

-- name: clearing
SELECT provider, currency, coalesce(sum(clearing_minor) FILTER (WHERE log_time < %(since)s), 0) AS opening,
       sum(clearing_minor) AS closing
FROM views.entries
WHERE currency IS NOT NULL AND log_time < %(until)s
GROUP BY provider, currency
ORDER BY provider, currency;
