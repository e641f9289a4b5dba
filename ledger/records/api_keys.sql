-- Keys of the HTTP API; of a secret only its hash.

-- part: columns
key_id, account_id, scopes, description, created_at, revoked_at

-- name: create
INSERT INTO records.api_keys (key_id, secret_hash, account_id, scopes, description)
VALUES (%(key_id)s, %(secret_hash)s, %(account_id)s, %(scopes)s, %(description)s);

-- name: list
SELECT {{columns}}
FROM records.api_keys
WHERE %(account_id)s::text IS NULL OR account_id = %(account_id)s
ORDER BY created_at, key_id;

-- name: info
SELECT {{columns}}
FROM records.api_keys
WHERE key_id = %(key_id)s;

-- name: revoke
UPDATE records.api_keys SET revoked_at = now() WHERE key_id = %(key_id)s AND revoked_at IS NULL;

-- name: find
SELECT key_id, secret_hash, account_id, scopes,
       coalesce((SELECT records_read_at > clock_timestamp() - %(lately)s::interval FROM records.installation), false)
           AS recent
FROM records.api_keys
WHERE key_id = ANY (%(key_ids)s) AND revoked_at IS NULL;
