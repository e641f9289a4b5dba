-- Stretches of the log that a person has decided to skip, because they can't be read.

-- name: skips
-- The skips of the present topic, in order.
SELECT partition, first_offset, last_offset, what, reason, decided_at
FROM records.skips s JOIN records.topics t ON t.name = s.topic AND t.topic_id = s.topic_id
WHERE s.topic = %(topic)s
ORDER BY partition, first_offset;

-- name: skip
-- No row if the topic is not known, or if a part of the offsets is skipped already.
INSERT INTO records.skips (topic, topic_id, partition, first_offset, last_offset, what, reason)
SELECT name, topic_id, %(partition)s, %(first)s, %(last)s, %(what)s, %(reason)s
FROM records.topics t
WHERE name = %(topic)s AND NOT EXISTS (
    SELECT FROM records.skips s
    WHERE s.topic = t.name AND s.topic_id = t.topic_id AND s.partition = %(partition)s
      AND s.first_offset <= %(last)s AND s.last_offset >= %(first)s
)
RETURNING decided_at;
