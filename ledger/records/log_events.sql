-- The events of ledger.records.

-- name: note
-- Events that were noted here, or found on the log.
INSERT INTO records.log_events (event_id, value) VALUES (%(event_id)s, %(value)s) ON CONFLICT DO NOTHING;

-- name: meet
INSERT INTO records.log_events (event_id, value, seen_at) VALUES (%(event_id)s, %(value)s, clock_timestamp())
ON CONFLICT DO NOTHING;

-- name: known
SELECT event_id::text FROM records.log_events
WHERE %(ids)s::uuid[] IS NULL OR event_id = ANY (%(ids)s::uuid[]);

-- name: seen
UPDATE records.log_events SET seen_at = clock_timestamp() WHERE event_id = ANY (%(ids)s::uuid[]) AND seen_at IS NULL;

-- name: gone
UPDATE records.log_events SET seen_at = NULL WHERE event_id = ANY (%(ids)s::uuid[]);

-- name: unseen
-- Without events that were noted just now: the process that noted them appends them itself.
SELECT event_id::text, value FROM records.log_events
WHERE seen_at IS NULL AND noted_at < clock_timestamp() - %(age)s::interval
ORDER BY noted_at, event_id
LIMIT 1000
FOR UPDATE SKIP LOCKED;

-- name: read
-- Whether the last time is long ago, so that this database may have been restored.
UPDATE records.installation SET records_read_at = clock_timestamp()
FROM (SELECT records_read_at FROM records.installation) AS before
RETURNING coalesce(before.records_read_at < clock_timestamp() - %(lately)s::interval, false);

-- name: end_visits
DELETE FROM records.portal_sessions;
