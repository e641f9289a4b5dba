-- Rebuilds of the views: who may write meanwhile, and what stood before.

-- name: share
-- Joins those who write the views, until the session ends; false while somebody has the views alone.
SELECT pg_try_advisory_lock_shared(%(namespace)s, %(lock)s);

-- name: take_alone
-- Has the views alone until the session ends; false while anybody else has a share in them.
SELECT pg_try_advisory_lock(%(namespace)s, %(lock)s);

-- name: holders
-- The sessions that have a share in the views, or have them alone. Locks show a negative key as an oid.
SELECT a.pid, a.application_name, coalesce(host(a.client_addr), 'local') AS client
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = %(namespace)s AND l.objid = %(lock)s::bigint + 4294967296
  AND l.objsubid = 2 AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY a.pid;

-- name: unfinished
SELECT targets, columns, outbox_position FROM records.rebuilds WHERE finished_at IS NULL;

-- name: begin
INSERT INTO records.rebuilds (targets, columns, outbox_position)
SELECT %(targets)s, %(columns)s, coalesce(max(position), 0) FROM records.outbox
RETURNING outbox_position;

-- name: finish
UPDATE records.rebuilds SET finished_at = now(), result = %(result)s WHERE finished_at IS NULL;

-- name: drop_digests
TRUNCATE records.rebuild_digests;

-- name: copy_before
COPY records.rebuild_digests (account_id, name, rows, digests) FROM STDIN;

-- name: make_after
CREATE TEMP TABLE rebuilt_digests (LIKE records.rebuild_digests INCLUDING ALL) ON COMMIT DROP;

-- name: copy_after
COPY rebuilt_digests (account_id, name, rows, digests) FROM STDIN;

-- name: count_accounts
SELECT count(*) AS accounts, count(*) FILTER (WHERE before) AS before
FROM (
    SELECT account_id, bool_or(before) AS before
    FROM (SELECT account_id, true AS before FROM records.rebuild_digests
          UNION ALL SELECT account_id, false FROM rebuilt_digests) AS both_sides
    GROUP BY account_id
) AS accounts;

-- name: different
-- What an account has now and had before, where these are not the same bytes.
SELECT account_id, name, coalesce(b.rows, 0), coalesce(a.rows, 0), b.digests, a.digests
FROM records.rebuild_digests b FULL JOIN rebuilt_digests a USING (account_id, name)
WHERE (b.rows, b.digests) IS DISTINCT FROM (a.rows, a.digests)
ORDER BY account_id, name;

-- name: new_forwards
-- Misplaced records that this rebuild would send on; none of them is out, because no relay runs meanwhile.
SELECT message_id::text, key, value, signature
FROM records.outbox
WHERE position > %(after)s AND topic = %(topic)s AND sent_at IS NULL;

-- name: take_back
DELETE FROM records.outbox WHERE message_id = ANY (%(ids)s::uuid[]) AND sent_at IS NULL;

-- name: count_new
SELECT count(*) FROM records.outbox WHERE position > %(after)s;
