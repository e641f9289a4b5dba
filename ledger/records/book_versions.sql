-- Versions of the book as they were on its topic.

-- name: keep
INSERT INTO records.book_versions (version, value, appended_ms) VALUES (%(number)s, %(value)s, %(appended_ms)s)
ON CONFLICT (version) DO NOTHING;

-- name: kept
SELECT version, value, appended_ms FROM records.book_versions
WHERE kept_at <= clock_timestamp() - make_interval(secs => %(age_seconds)s)
ORDER BY version;
