-- The topics as the ledger knows them.

-- name: known
SELECT name, topic_id, partitions, replicas, begins, ends, created_at FROM records.topics WHERE name = ANY(%(names)s);

-- name: remember
-- A topic that is seen for the first time, or whose partitions all answered for the first time.
INSERT INTO records.topics (name, topic_id, partitions, replicas, begins, ends)
VALUES (%(name)s, %(topic_id)s, %(partitions)s, %(replicas)s, %(begins)s, %(ends)s)
ON CONFLICT (name) DO UPDATE SET replicas = excluded.replicas, begins = excluded.begins, ends = excluded.ends
WHERE topics.begins IS NULL;

-- name: reached
-- The ends of a topic as they were seen last. They never go back.
UPDATE records.topics
SET ends = (SELECT array_agg(greatest(was, is_) ORDER BY number)
            FROM unnest(ends, %(ends)s::bigint[]) WITH ORDINALITY AS each (was, is_, number))
WHERE name = %(name)s AND ends <> %(ends)s::bigint[];

-- name: accept
-- Accepts the topics as they are now.
UPDATE records.topics
SET topic_id = %(topic_id)s, partitions = %(partitions)s, replicas = %(replicas)s, begins = %(begins)s,
    ends = %(ends)s, created_at = now()
WHERE name = %(name)s;
