-- Erasing a customer: the personal data that no law makes us keep. Each statement returns its number of rows.

-- name: profile
DELETE FROM records.profiles WHERE account_id = %(account_id)s;

-- name: tax_ids
DELETE FROM records.tax_ids WHERE account_id = %(account_id)s;

-- name: answers
-- Kept under Idempotency-Keys for a week, with what they answered. Answers with personal data name their account.
DELETE FROM records.idempotency WHERE owner = %(owner)s OR content ->> 'account_id' = %(account_id)s;

-- name: mails
UPDATE records.deliveries d SET state = 'failed'
FROM records.notices n
WHERE n.notice_id = d.notice_id AND n.account_id = %(account_id)s AND d.endpoint_id IS NULL AND d.state = 'waiting';

-- name: endpoint_deliveries
UPDATE records.deliveries d SET state = 'failed'
FROM records.webhook_endpoints e
WHERE e.endpoint_id = d.endpoint_id AND e.account_id = %(account_id)s AND d.state = 'waiting';

-- name: ended
-- The keys and endpoints that the erasure ends, for the log.
SELECT 'endpoint', endpoint_id::text FROM records.webhook_endpoints
WHERE account_id = %(account_id)s AND disabled_at IS NULL
UNION ALL SELECT 'key', key_id FROM records.api_keys WHERE account_id = %(account_id)s AND revoked_at IS NULL;

-- name: endpoints
-- Deliveries stay listed; the URL and the description of the endpoint are emptied.
UPDATE records.webhook_endpoints
SET url = 'https://erased.invalid/', description = '', disabled_at = coalesce(disabled_at, clock_timestamp())
WHERE account_id = %(account_id)s AND url <> 'https://erased.invalid/';

-- name: keys
UPDATE records.api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp()), description = ''
WHERE account_id = %(account_id)s AND (revoked_at IS NULL OR description <> '');

-- name: visits
-- Ends the visits to the billing page, so that no visitor enters a name again.
DELETE FROM records.portal_sessions WHERE account_id = %(account_id)s;

-- name: return_urls
-- Return URLs: a router may have put personal data into them.
UPDATE records.checkouts SET return_url = NULL WHERE account_id = %(account_id)s AND return_url IS NOT NULL;

-- name: uninvoiced
-- Purchases, and payments that may become purchases, whose invoices still need the profile.
SELECT (SELECT count(*) FROM views.purchases p
        WHERE p.account_id = %(account_id)s AND NOT EXISTS (
            SELECT FROM records.invoices i
            WHERE i.account_id = p.account_id AND i.purchase_id = p.purchase_id AND i.kind = 'invoice'))
     + (SELECT count(*) FROM records.checkouts WHERE account_id = %(account_id)s AND ended_at IS NULL)
     + (SELECT count(*) FROM records.top_up_triggers WHERE account_id = %(account_id)s AND ended_at IS NULL);

-- name: kept_invoices
SELECT count(*), min(issued_on)::text, max(issued_on)::text FROM records.invoices WHERE account_id = %(account_id)s;

-- name: kept_customers
SELECT provider, customer_id FROM records.customers WHERE account_id = %(account_id)s ORDER BY provider;

-- name: kept_entries
SELECT count(*) FROM views.entries WHERE account_id = %(account_id)s;
