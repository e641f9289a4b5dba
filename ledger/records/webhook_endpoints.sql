-- Endpoints that notices go to.

-- part: columns
endpoint_id::text, account_id, url, description, types, created_at, disabled_at

-- name: create
INSERT INTO records.webhook_endpoints (account_id, url, description, types, secret)
VALUES (%(account_id)s, %(url)s, %(description)s, %(types)s, %(secret)s)
RETURNING {{columns}};

-- name: find
SELECT {{columns}}
FROM records.webhook_endpoints
WHERE endpoint_id = %(endpoint_id)s;

-- name: list
SELECT {{columns}}
FROM records.webhook_endpoints
WHERE %(account_id)s IN ('', account_id)
ORDER BY created_at, endpoint_id;

-- name: rotate
UPDATE records.webhook_endpoints
SET previous_secret = secret, previous_until = clock_timestamp() + %(both)s::interval, secret = %(secret)s
WHERE endpoint_id = %(endpoint_id)s;

-- name: disable
-- Deliveries to an ended endpoint are given up.
WITH gone AS (
    UPDATE records.deliveries SET state = 'failed' WHERE endpoint_id = %(endpoint_id)s AND state = 'waiting'
)
UPDATE records.webhook_endpoints SET disabled_at = coalesce(disabled_at, clock_timestamp())
WHERE endpoint_id = %(endpoint_id)s;
