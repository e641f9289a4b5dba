-- Dead letters, for people.

-- part: columns
topic, partition, log_offset, code, field, reason, account_id, event_id::text, type, log_time, excerpt

-- name: list
-- Newest first.
SELECT {{columns}}
FROM views.dead_letters
WHERE (%(code)s::text IS NULL OR code = %(code)s)
  AND (%(topic)s::text IS NULL OR topic = %(topic)s)
  AND (%(since)s::timestamptz IS NULL OR log_time >= %(since)s)
ORDER BY log_time DESC, topic, partition, log_offset DESC
LIMIT %(limit)s;

-- name: count_from
SELECT count(*) FROM views.dead_letters
WHERE topic = %(topic)s AND partition = %(partition)s AND log_offset >= %(log_offset)s;

-- name: find
SELECT {{columns}}
FROM views.dead_letters
WHERE topic = %(topic)s AND partition = %(partition)s AND log_offset = %(log_offset)s;
