-- Messages of a fold for Kafka: written in its transaction, published after it. Their ids are never dropped.

-- name: put
-- A message whose id is known was published before, or will be.
INSERT INTO records.outbox (message_id, partition, topic, key, value, signature)
VALUES (%(message_id)s, %(partition)s, %(topic)s, %(key)s, %(value)s, %(signature)s)
ON CONFLICT (message_id) DO NOTHING;

-- name: waiting
-- The oldest messages of these partitions that are not published yet, in the order of the fold.
SELECT message_id, topic, key, value, signature
FROM records.outbox
WHERE sent_at IS NULL AND partition = ANY (%(partitions)s)
  AND (refused_at IS NULL OR refused_at < now() - interval '5 minutes')
ORDER BY partition, position
LIMIT 1000;

-- name: replace
-- Replaces a message that is too large.
UPDATE records.outbox SET value = %(value)s, signature = %(signature)s
WHERE message_id = %(message_id)s AND sent_at IS NULL;

-- name: refuse
-- Sets a message aside for some minutes.
UPDATE records.outbox SET refused_at = now() WHERE message_id = %(message_id)s;

-- name: sent
UPDATE records.outbox SET sent_at = now(), value = NULL WHERE message_id = ANY (%(ids)s);

-- name: make_published
-- Messages that are on their topics. `moved`: the message names a place of the log that has another record now.
CREATE TEMP TABLE published (message_id uuid NOT NULL, moved boolean NOT NULL);

-- name: copy_published
COPY published (message_id, moved) FROM STDIN;

-- name: drop_published
DROP TABLE IF EXISTS published;

-- name: count_lost
SELECT topic, count(*) FROM records.outbox o
WHERE sent_at IS NOT NULL AND topic = ANY (%(topics)s) AND NOT EXISTS (SELECT FROM published s WHERE s.message_id = o.message_id)
GROUP BY topic ORDER BY topic;

-- name: forget_lost
DELETE FROM records.outbox o
WHERE sent_at IS NOT NULL AND topic = ANY (%(topics)s)
  AND NOT EXISTS (SELECT FROM published s WHERE s.message_id = o.message_id AND NOT s.moved);

-- name: forget_sent
DELETE FROM records.outbox WHERE sent_at IS NOT NULL AND topic = %(topic)s;
