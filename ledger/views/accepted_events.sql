-- Facts that something follows from outside of the ledger, in the order of their partition. The condition of the index
-- entries_facts is repeated so that it is used.

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
-- The log time up to which all partitions are folded; NULL while one has none.
SELECT CASE WHEN count(*) = count(through) THEN min(through) END FROM views.progress;

-- name: issued
-- The number that an event of ours has put on the log; its id is derived.
SELECT data ->> 'number', coalesce(occurred_at, log_time) FROM views.entries
WHERE event_id = %(event_id)s AND account_id = %(account_id)s AND signed;

-- name: last_numbers
-- The highest number of each series: all but the digits at the end. Only numbers of our form, which all have the same
-- length: others may sign such events, too, with whatever numbers they use.
SELECT max(data ->> 'number')
FROM views.entries
WHERE type = 'invoice.issued' AND data ->> 'number' ~ %(form)s
  AND {{indexed_types}}
GROUP BY substring(data ->> 'number' FROM '^(.*)-[0-9]+$');
