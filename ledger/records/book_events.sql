-- The events of the book as they were on its topic.

-- name: keep
INSERT INTO records.book_events (number, value, appended_ms) VALUES (%(number)s, %(value)s, %(appended_ms)s)
ON CONFLICT (number) DO NOTHING;

-- name: kept
SELECT number, value, appended_ms FROM records.book_events
WHERE kept_at <= clock_timestamp() - make_interval(secs => %(age_seconds)s)
ORDER BY number;
