-- Rebuilds of the views: the lock of the processes that write, and the old views.

-- name: share
-- Takes the shared lock for writing the views until the session ends; false during a rebuild.
SELECT pg_try_advisory_lock_shared(%(namespace)s, %(lock)s);

-- name: take_alone
-- Takes the exclusive lock of a rebuild until the session ends; false while another session has the shared one.
SELECT pg_try_advisory_lock(%(namespace)s, %(lock)s);

-- name: holders
-- The sessions that hold the lock, shared or exclusive. pg_locks shows a negative key as an oid.
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

-- name: before_is_there
SELECT to_regnamespace('views_before') IS NOT NULL AND to_regclass('views_before.entries') IS NOT NULL;

-- name: set_aside
-- Keeps the present views, if there are any, until the rebuild has ended.
DO $$
BEGIN
    IF to_regnamespace('views') IS NOT NULL THEN
        ALTER SCHEMA views RENAME TO views_before;
        INSERT INTO records.migrations (name, checksum) SELECT 'views_before', checksum FROM records.migrations WHERE name = 'views'
        ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum;
    END IF;
END $$;

-- name: put_back
DROP SCHEMA views CASCADE;
ALTER SCHEMA views_before RENAME TO views;
UPDATE records.migrations SET checksum = b.checksum
FROM records.migrations b WHERE migrations.name = 'views' AND b.name = 'views_before';
DELETE FROM records.outbox o USING records.rebuilds r
WHERE r.finished_at IS NULL AND o.position > r.outbox_position AND o.sent_at IS NULL;
UPDATE records.rebuilds SET finished_at = now(), result = '{"put_back": true}' WHERE finished_at IS NULL;
TRUNCATE records.rebuild_digests;

-- name: drop_before
DROP SCHEMA IF EXISTS views_before CASCADE;

-- name: move_positions
-- Offsets may have changed. A consumer continues before the first fact that it has not handled. A fact that it handles
-- twice has no second effect.
UPDATE records.fact_positions p
SET next_offset = coalesce(
    (SELECT min(e.log_offset) FROM views.entries e
     WHERE e.partition = p.partition
       AND e.type IN ('credits.purchased', 'credits.refunded', 'dispute.opened', 'dispute.closed', 'auto_top_up.failed',
                      'invoice.issued')
       AND NOT EXISTS (SELECT FROM views_before.entries b
                       WHERE b.event_id = e.event_id AND b.account_id = e.account_id AND b.signed = e.signed
                         AND b.log_offset < p.next_offset)),
    (SELECT next_offset FROM views.progress WHERE partition = p.partition), 0);

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
-- The rows of accounts before and now, where they are not the same bytes.
SELECT account_id, name, coalesce(b.rows, 0), coalesce(a.rows, 0), b.digests, a.digests
FROM records.rebuild_digests b FULL JOIN rebuilt_digests a USING (account_id, name)
WHERE (b.rows, b.digests) IS DISTINCT FROM (a.rows, a.digests)
ORDER BY account_id, name;

-- name: new_forwards
-- Misplaced records that this rebuild would forward. None is published yet, because no relay runs meanwhile.
SELECT message_id::text, key, value, signature
FROM records.outbox
WHERE position > %(after)s AND topic = %(topic)s AND sent_at IS NULL;

-- name: take_back
DELETE FROM records.outbox WHERE message_id = ANY (%(ids)s::uuid[]) AND sent_at IS NULL;

-- name: count_new
SELECT count(*) FROM records.outbox WHERE position > %(after)s;
