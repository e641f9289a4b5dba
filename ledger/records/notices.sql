-- Notices and their deliveries.

-- name: note
-- Only once: a notice's id follows from its event.
INSERT INTO records.notices (notice_id, account_id, type, occurred_at, data)
VALUES (%(notice_id)s, %(account_id)s, %(type)s, %(occurred_at)s, %(data)s)
ON CONFLICT DO NOTHING
RETURNING notice_id;

-- name: to_endpoints
INSERT INTO records.deliveries (notice_id, endpoint_id)
SELECT %(notice_id)s, endpoint_id FROM records.webhook_endpoints
WHERE disabled_at IS NULL AND account_id IN ('', %(account_id)s) AND (types = '{}' OR %(type)s = ANY (types));

-- name: to_mail
INSERT INTO records.deliveries (notice_id)
SELECT %(notice_id)s FROM records.profiles WHERE account_id = %(account_id)s AND email IS NOT NULL;

-- name: due
-- The longest due first, with a limit per endpoint and for e-mails, so that a slow receiver does not delay the others.
SELECT delivery_id::text, notice_id::text, account_id, type, occurred_at, data, attempts, endpoint_id::text, url, secret,
       previous_secret, email
FROM (
    SELECT d.*, n.account_id, n.type, n.occurred_at, n.data, e.url, e.secret,
           CASE WHEN e.previous_until > clock_timestamp() THEN e.previous_secret END AS previous_secret,
           p.email, row_number() OVER (PARTITION BY d.endpoint_id ORDER BY d.due_at, d.delivery_id) AS place
    FROM records.deliveries d
    JOIN records.notices n USING (notice_id)
    LEFT JOIN records.webhook_endpoints e USING (endpoint_id)
    LEFT JOIN records.profiles p ON p.account_id = n.account_id
    WHERE d.state = 'waiting' AND d.due_at <= clock_timestamp() AND e.disabled_at IS NULL
) waiting
WHERE place <= %(each)s
ORDER BY due_at
LIMIT %(limit)s;

-- name: attempted
INSERT INTO records.delivery_attempts (delivery_id, attempt, status, error, milliseconds)
VALUES (%(delivery_id)s, %(attempt)s, %(status)s, %(error)s, %(milliseconds)s);

-- name: save
-- A delivery that was given up during the attempt is not due again.
UPDATE records.deliveries SET attempts = %(attempt)s,
    state = CASE WHEN state = 'waiting' OR %(state)s <> 'waiting' THEN %(state)s ELSE state END,
    due_at = clock_timestamp() + coalesce(%(pause)s, interval '0')
WHERE delivery_id = %(delivery_id)s;

-- name: replay
-- Begins again, with all retries.
UPDATE records.deliveries SET state = 'waiting', due_at = clock_timestamp()
WHERE delivery_id = %(delivery_id)s AND endpoint_id = %(endpoint_id)s
RETURNING delivery_id;

-- name: log
-- The deliveries of an endpoint, newest first, each with its last attempt.
SELECT d.delivery_id::text, d.notice_id::text, n.type, n.account_id, d.state, d.attempts, d.created_at, d.due_at,
       a.attempted_at, a.status, a.error
FROM records.deliveries d
JOIN records.notices n USING (notice_id)
LEFT JOIN records.delivery_attempts a ON a.delivery_id = d.delivery_id AND a.attempt = d.attempts
WHERE d.endpoint_id = %(endpoint_id)s AND (d.created_at, d.delivery_id) < (%(before)s, %(delivery_id)s)
ORDER BY d.created_at DESC, d.delivery_id DESC
LIMIT %(limit)s;

-- name: document
-- The document of an invoice number, as soon as the number is taken.
SELECT kind, currency, total_minor, tax_minor FROM records.invoices WHERE number = %(number)s;
