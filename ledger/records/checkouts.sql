-- Purchases that customers began: a row first, then the provider, then the fact on the log, then the row again.

-- part: columns
checkout_id::text, account_id, provider, credits, currency, amount_minor, tax_minor, fx_rate, description,
customer_id, method_id, return_url, state, reference, url, fields, payment_id, failure, created_at

-- name: open
-- A repeated request changes nothing; `find_request` has its row.
INSERT INTO records.checkouts (checkout_id, request, account_id, provider, credits, currency, amount_minor, tax_minor,
    fx_rate, description, method_id, return_url)
VALUES (%(checkout_id)s, %(request)s, %(account_id)s, %(provider)s, %(credits)s, %(currency)s, %(amount_minor)s,
    %(tax_minor)s, %(fx_rate)s, %(description)s, %(method_id)s, %(return_url)s)
ON CONFLICT (request) DO NOTHING;

-- name: find
SELECT {{columns}}
FROM records.checkouts
WHERE checkout_id = %(checkout_id)s;

-- name: find_request
SELECT {{columns}}
FROM records.checkouts
WHERE request = %(request)s;

-- name: find_payment
-- By the provider's id.
SELECT {{columns}}
FROM records.checkouts
WHERE provider = %(provider)s AND (reference = %(reference)s OR payment_id = %(payment_id)s)
ORDER BY payment_id IS NOT DISTINCT FROM %(payment_id)s DESC, created_at
LIMIT 1;

-- name: name_customer
-- Only once, because the provider accepts a repeated request only with the same customer.
UPDATE records.checkouts SET customer_id = coalesce(customer_id, %(customer_id)s)
WHERE checkout_id = %(checkout_id)s
RETURNING customer_id;

-- name: begun
UPDATE records.checkouts
SET state = 'begun', reference = %(reference)s, url = %(url)s, fields = %(fields)s
WHERE checkout_id = %(checkout_id)s AND state = 'created';

-- name: credited
-- From any state: money that was received is credited.
UPDATE records.checkouts
SET state = 'credited', payment_id = %(payment_id)s, failure = NULL, ended_at = clock_timestamp()
WHERE checkout_id = %(checkout_id)s AND state <> 'credited';

-- name: restore
-- Writes a lost row again, from the provider's data.
INSERT INTO records.checkouts (checkout_id, account_id, provider, credits, currency, amount_minor, tax_minor, fx_rate,
    description, state, reference, payment_id, ended_at)
VALUES (%(checkout_id)s, %(account_id)s, %(provider)s, %(credits)s, %(currency)s, %(amount_minor)s, %(tax_minor)s,
    %(fx_rate)s, %(description)s, 'credited', %(reference)s, %(payment_id)s, clock_timestamp())
ON CONFLICT DO NOTHING;

-- name: ended
-- Ends a purchase without credits: failed, expired or mismatched.
UPDATE records.checkouts
SET state = %(state)s, failure = %(failure)s, ended_at = clock_timestamp()
WHERE checkout_id = %(checkout_id)s AND ended_at IS NULL;

-- name: declined
-- An attempt failed, and the customer may make another one.
UPDATE records.checkouts SET failure = %(failure)s WHERE checkout_id = %(checkout_id)s AND ended_at IS NULL;

-- name: claim_asking
-- A process that gets the row may ask the provider now.
UPDATE records.checkouts SET asked_at = clock_timestamp()
WHERE checkout_id = %(checkout_id)s
  AND (asked_at IS NULL OR asked_at < clock_timestamp() - %(pause)s::interval)
RETURNING checkout_id;
