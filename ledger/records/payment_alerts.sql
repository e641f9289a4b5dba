-- What is paid but can't be credited, or the other way round: for people.

-- name: raise
INSERT INTO records.payment_alerts (provider, payment_id, reason, account_id, details)
VALUES (%(provider)s, %(payment_id)s, %(reason)s, %(account_id)s, %(details)s)
ON CONFLICT (provider, payment_id, reason) DO NOTHING;

-- name: unresolved
SELECT provider, payment_id, reason, account_id, details
FROM records.payment_alerts
WHERE resolved_at IS NULL
ORDER BY raised_at;
