-- What was asked under an Idempotency-Key and what was answered, for seven days.

-- name: reserve
-- The first request under a key, or the first after seven days; else what is there already. Until it is answered,
-- `answer` says who asked first: that is part of the event, which must stay the same however often it is sent.
INSERT INTO records.idempotency AS i (owner, key, request_hash, answer)
VALUES (%(owner)s, %(key)s, %(request_hash)s, jsonb_build_object('actor_id', %(actor_id)s::text))
ON CONFLICT (owner, key) DO UPDATE
SET request_hash = CASE WHEN i.created_at < now() - interval '7 days' THEN excluded.request_hash ELSE i.request_hash END,
    status = CASE WHEN i.created_at < now() - interval '7 days' THEN NULL ELSE i.status END,
    answer = CASE WHEN i.created_at < now() - interval '7 days' THEN excluded.answer ELSE i.answer END,
    created_at = CASE WHEN i.created_at < now() - interval '7 days' THEN now() ELSE i.created_at END
RETURNING request_hash, status, answer;

-- name: answer
UPDATE records.idempotency SET status = %(status)s, answer = %(answer)s WHERE owner = %(owner)s AND key = %(key)s;

-- name: forget
DELETE FROM records.idempotency WHERE created_at < now() - interval '7 days';
