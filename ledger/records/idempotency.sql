-- What was asked under an Idempotency-Key and what was answered, for seven days.

-- name: reserve
-- The first request under a key, or the key's own after seven days; else what is there already.
INSERT INTO records.idempotency AS i (owner, key, request_hash)
VALUES (%(owner)s, %(key)s, %(request_hash)s)
ON CONFLICT (owner, key) DO UPDATE
SET request_hash = CASE WHEN i.created_at < now() - interval '7 days' THEN excluded.request_hash ELSE i.request_hash END,
    status = CASE WHEN i.created_at < now() - interval '7 days' THEN NULL ELSE i.status END,
    answer = CASE WHEN i.created_at < now() - interval '7 days' THEN NULL ELSE i.answer END,
    created_at = CASE WHEN i.created_at < now() - interval '7 days' THEN now() ELSE i.created_at END
RETURNING request_hash, status, answer;

-- name: answer
UPDATE records.idempotency SET status = %(status)s, answer = %(answer)s WHERE owner = %(owner)s AND key = %(key)s;

-- name: forget
DELETE FROM records.idempotency WHERE created_at < now() - interval '7 days';
