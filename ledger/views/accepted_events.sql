-- Facts that consumers act on, in the order of their partition. Repeats the condition of the index entries_facts, so that
-- Postgres uses it.

-- part: indexed_types
type IN ('credits.purchased', 'credits.refunded', 'dispute.opened', 'dispute.closed', 'auto_top_up.failed',
         'invoice.issued')

-- name: after
SELECT partition, log_offset, event_id::text, account_id, type, log_time, coalesce(occurred_at, log_time), data
FROM views.entries
WHERE partition = %(partition)s AND log_offset >= %(offset)s AND type = ANY (%(types)s)
  AND {{indexed_types}}
ORDER BY log_offset
LIMIT %(limit)s;

-- name: partitions
SELECT partition FROM views.progress ORDER BY partition;

-- name: true_up_to
-- The log time up to which all partitions are folded; NULL while a partition has no log time.
SELECT CASE WHEN count(*) = count(through) THEN min(through) END FROM views.progress;

-- name: issued
-- The number that an event of ours has put on the log; its id is derived.
SELECT data ->> 'number', coalesce(occurred_at, log_time) FROM views.entries
WHERE event_id = %(event_id)s AND account_id = %(account_id)s AND signed;

-- name: last_numbers
-- The highest number of each series (a number without its last digits). Only numbers in our form, which all have the same
-- length: another program with a signing key may put other numbers on the log.
SELECT max(data ->> 'number')
FROM views.entries
WHERE type = 'invoice.issued' AND data ->> 'number' ~ %(form)s
  AND {{indexed_types}}
GROUP BY substring(data ->> 'number' FROM '^(.*)-[0-9]+$');
