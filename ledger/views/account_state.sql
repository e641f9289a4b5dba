-- The state of one account, for `ledger state`.

-- name: place
-- The account's partition, how far it is folded, and the sum of the account's open holds.
SELECT p.partition, p.next_offset, p.through, coalesce(h.held, 0)
FROM views.balances b JOIN views.progress p USING (partition) LEFT JOIN records.held_accounts h USING (account_id)
WHERE b.account_id = %(account_id)s;

-- name: last_entries
SELECT event_id::text, type, log_time, amount, balance_after, log_offset
FROM views.entries
WHERE account_id = %(account_id)s
ORDER BY log_time DESC, seq DESC
LIMIT %(limit)s;

-- name: refused_by_database
-- Records that Postgres refused. A fold in memory can't know them.
SELECT log_offset FROM views.dead_letters
WHERE topic = %(topic)s AND partition = %(partition)s AND code = 'refused_by_database';
