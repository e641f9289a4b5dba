-- name: lock
SELECT account_id FROM records.held_accounts WHERE account_id = ANY (%(accounts)s) ORDER BY account_id FOR UPDATE;

-- name: lock_free
-- Only the rows that no other transaction has locked.
SELECT account_id FROM records.held_accounts WHERE account_id = ANY (%(accounts)s)
ORDER BY account_id FOR UPDATE SKIP LOCKED;

-- name: locked_funds
SELECT * FROM records.locked_funds_v1(%(accounts)s::text[], %(wait)s::boolean);

-- name: find_holds
SELECT hold_id::text, account_id, amount, state, expires_at, provider, model, mode, max_output_tokens,
    call::text, encode(request_hash, 'hex')
FROM records.holds WHERE hold_id = ANY (%(ids)s::uuid[]);

-- name: put_holds
-- Leaves out holds whose id exists already: another account's request has used the same key meanwhile. Inserts in the
-- order of the ids, so that two transactions with the same ids don't deadlock.
WITH new AS (
    SELECT *
    FROM unnest(%(ids)s::uuid[], %(accounts)s::text[], %(amounts)s::bigint[], %(expires)s::timestamptz[],
        %(providers)s::text[], %(models)s::text[], %(modes)s::text[], %(outputs)s::bigint[], %(calls)s::text[],
        %(keys)s::text[], %(hashes)s::text[])
        AS n (hold_id, account_id, amount, expires_at, provider, model, mode, max_output_tokens, call, api_key_id,
            request_hash)
), stored AS (
    INSERT INTO records.holds (hold_id, account_id, amount, expires_at, provider, model, mode, max_output_tokens,
        call, api_key_id, request_hash)
    SELECT hold_id, account_id, amount, expires_at, nullif(provider, ''), nullif(model, ''), nullif(mode, ''),
        nullif(max_output_tokens, -1), nullif(call, '')::jsonb, nullif(api_key_id, ''),
        decode(nullif(request_hash, ''), 'hex')
    FROM new
    ORDER BY hold_id
    ON CONFLICT (hold_id) DO NOTHING
    RETURNING hold_id, account_id, amount
), sums AS (
    SELECT account_id, sum(amount)::bigint AS amount FROM stored GROUP BY account_id
), added AS (
    UPDATE records.held_accounts a SET held = a.held + sums.amount FROM sums WHERE a.account_id = sums.account_id
)
SELECT hold_id::text FROM stored;

-- name: add_held
UPDATE records.held_accounts SET held = held + %(amount)s WHERE account_id = %(account_id)s;

-- name: extend
UPDATE records.holds
SET amount = amount + %(amount)s, expires_at = greatest(expires_at, %(expires_at)s),
    max_output_tokens = max_output_tokens + %(max_output_tokens)s
WHERE hold_id = %(hold_id)s AND state = 'open'
RETURNING amount, expires_at, max_output_tokens;

-- name: close
-- Ends the holds that are still open. The caller has locked their accounts.
WITH ended AS (
    UPDATE records.holds h
    SET state = %(state)s, closed_at = clock_timestamp()
    WHERE h.hold_id = ANY (%(ids)s::uuid[]) AND h.account_id = ANY (%(accounts)s) AND h.state = 'open'
    RETURNING h.hold_id, h.account_id, h.amount
), sums AS (
    SELECT account_id, sum(amount)::bigint AS amount FROM ended GROUP BY account_id
), freed AS (
    UPDATE records.held_accounts a SET held = a.held - sums.amount FROM sums WHERE a.account_id = sums.account_id
)
SELECT hold_id::text FROM ended;

-- name: settle
-- Ends open holds by the usage that names them: the first usage of the hold's own account. Counts what no hold covers.
WITH named AS (
    SELECT *
    FROM unnest(%(ids)s::uuid[], %(accounts)s::text[], %(events)s::uuid[], %(charges)s::bigint[])
        WITH ORDINALITY AS u (hold_id, account_id, event_id, charged, place)
), first AS (
    SELECT DISTINCT ON (hold_id, account_id) * FROM named ORDER BY hold_id, account_id, place
), ended AS (
    UPDATE records.holds h
    SET state = 'settled', closed_at = clock_timestamp(), settled_by = u.event_id, charged = u.charged
    FROM first u
    WHERE h.hold_id = u.hold_id AND h.account_id = u.account_id AND h.state = 'open'
    RETURNING h.account_id, h.amount, u.place
), sums AS (
    SELECT account_id, sum(amount)::bigint AS amount FROM ended GROUP BY account_id
), freed AS (
    UPDATE records.held_accounts a SET held = a.held - sums.amount FROM sums WHERE a.account_id = sums.account_id
), uncovered AS (
    SELECT CASE WHEN e.place IS NULL THEN 'hold_ended' ELSE 'above_hold' END AS cause,
           n.charged - coalesce(e.amount, 0) AS nanos
    FROM named n LEFT JOIN ended e USING (place)
)
INSERT INTO records.uncovered AS o (partition, cause, charges, nanos)
SELECT %(partition)s, cause, count(*), sum(nanos) FROM uncovered WHERE nanos > 0 AND %(count)s GROUP BY cause
ON CONFLICT (partition, cause) DO UPDATE
SET charges = o.charges + excluded.charges, nanos = o.nanos + excluded.nanos;

-- name: count_unheld
INSERT INTO records.uncovered AS o (partition, cause, charges, nanos)
VALUES (%(partition)s, 'no_hold', %(charges)s, %(nanos)s)
ON CONFLICT (partition, cause) DO UPDATE
SET charges = o.charges + excluded.charges, nanos = o.nanos + excluded.nanos;

-- name: open_holds
SELECT count(*), coalesce(sum(amount), 0)::bigint FROM records.holds WHERE state = 'open';

-- name: uncovered
SELECT cause, sum(charges)::bigint, sum(nanos)::bigint FROM records.uncovered GROUP BY cause ORDER BY cause;

-- name: expirable
-- Open holds that are over at the log time up to which their partition is projected. The rule is `is_over` of
-- ledger/core/holds.py; a test compares the two. The last condition bounds the index scan: without it the join would read
-- every open hold.
SELECT h.hold_id::text, h.account_id
FROM records.holds h
JOIN views.balances b ON b.account_id = h.account_id
JOIN views.progress p ON p.partition = b.partition
WHERE h.state = 'open' AND h.expires_at <= p.through AND h.expires_at <= (SELECT max(through) FROM views.progress)
ORDER BY h.expires_at
LIMIT %(limit)s;

-- name: forget
DELETE FROM records.holds WHERE state <> 'open' AND closed_at < now() - %(lasts)s;
