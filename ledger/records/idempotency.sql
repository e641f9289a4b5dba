-- Requests under an Idempotency-Key and their outcomes, for as long as keys last.

-- name: reserve
-- Stores the first request under a key, or the first one after the key ended; otherwise returns the stored one. Until
-- the request has ended, `content` names its first caller, who is part of the event: it must be the same each time.
INSERT INTO records.idempotency AS i (owner, key, request_hash, content)
VALUES (%(owner)s, %(key)s, %(request_hash)s, jsonb_build_object('actor_id', %(actor_id)s::text))
ON CONFLICT (owner, key) DO UPDATE
SET request_hash = CASE WHEN i.created_at < now() - %(lasts)s THEN excluded.request_hash ELSE i.request_hash END,
    refused = CASE WHEN i.created_at < now() - %(lasts)s THEN NULL ELSE i.refused END,
    content = CASE WHEN i.created_at < now() - %(lasts)s THEN excluded.content ELSE i.content END,
    created_at = CASE WHEN i.created_at < now() - %(lasts)s THEN now() ELSE i.created_at END
RETURNING request_hash, refused, content;

-- name: keep
UPDATE records.idempotency SET refused = %(refused)s, content = %(content)s WHERE owner = %(owner)s AND key = %(key)s;

-- name: forget
DELETE FROM records.idempotency WHERE created_at < now() - %(lasts)s;
