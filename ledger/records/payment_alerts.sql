-- Payments without credits, and credits without a payment: people decide about them.

-- name: raise
INSERT INTO records.payment_alerts (provider, payment_id, reason, account_id, details)
VALUES (%(provider)s, %(payment_id)s, %(reason)s, %(account_id)s, %(details)s)
ON CONFLICT (provider, payment_id, reason) DO NOTHING;

-- name: unresolved
SELECT provider, payment_id, reason, account_id, details, raised_at
FROM records.payment_alerts
WHERE resolved_at IS NULL
ORDER BY raised_at;

-- name: resolve
UPDATE records.payment_alerts SET resolved_at = clock_timestamp()
WHERE payment_id = %(payment_id)s AND resolved_at IS NULL;

-- name: known
SELECT payment_id FROM records.payment_alerts WHERE provider = %(provider)s AND reason = %(reason)s;

-- name: withdraw
-- If it becomes true again, the alert is raised again. An alert that people have resolved stays resolved.
DELETE FROM records.payment_alerts
WHERE provider = %(provider)s AND reason = %(reason)s AND payment_id = ANY (%(payment_ids)s) AND resolved_at IS NULL;

-- name: withdraw_credited
-- The purchase is in the views by now.
DELETE FROM records.payment_alerts a
WHERE a.provider = %(provider)s AND a.reason = %(reason)s AND a.resolved_at IS NULL
  AND EXISTS (SELECT FROM views.purchases p
              WHERE p.account_id = a.account_id AND p.purchase_id = a.details ->> 'purchase_id');

-- name: figures
-- Unresolved alerts by reason, and a line without a reason for each provider that was ever swept.
SELECT provider, reason, count(*), extract(epoch FROM clock_timestamp() - min(raised_at))::float8
FROM records.payment_alerts
WHERE resolved_at IS NULL
GROUP BY provider, reason
UNION ALL
SELECT provider, NULL, 0, extract(epoch FROM clock_timestamp() - complete_at)::float8 FROM records.sweeps;
