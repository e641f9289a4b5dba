-- Triggers and their charges. A process that works on one holds its lease; writes name the lease's token.

-- part: columns
trigger_id::text, account_id, provider, method_id, credits, triggered_at,
coalesce(search_from, triggered_at) AS search_from, state, attempt, silent, searched_at, payment_id, url, failure,
token

-- name: insert
-- Inserts unless the views say that the account is not in flight with the trigger. A dropped trigger is taken up again:
-- when it was dropped, the views were behind.
INSERT INTO records.top_up_triggers (trigger_id, account_id, provider, method_id, credits, triggered_at, search_from,
    due_at)
SELECT %(trigger_id)s, %(account_id)s, %(provider)s, %(method_id)s, %(credits)s, %(triggered_at)s, %(search_from)s,
    %(now)s
WHERE EXISTS (SELECT FROM records.rebuilds WHERE finished_at IS NULL) OR EXISTS (
    SELECT FROM views.accounts
    WHERE account_id = %(account_id)s AND state = 'in_flight' AND trigger_id = %(trigger_id)s
)
ON CONFLICT (trigger_id) DO UPDATE SET state = 'due', due_at = excluded.due_at, ended_at = NULL
WHERE top_up_triggers.state = 'dropped';

-- name: wanted
-- Whether the account is in flight with this trigger; NULL while the views are half-built.
SELECT CASE WHEN NOT EXISTS (SELECT FROM records.rebuilds WHERE finished_at IS NULL) THEN EXISTS (
    SELECT FROM views.accounts
    WHERE account_id = %(account_id)s AND state = 'in_flight' AND trigger_id = %(trigger_id)s
) END;

-- name: policy
-- The account's present policy; no row while the views are half-built.
SELECT coalesce(top_up_enabled, false), top_up_provider, payment_method_id FROM views.accounts
WHERE account_id = %(account_id)s AND NOT EXISTS (SELECT FROM records.rebuilds WHERE finished_at IS NULL);

-- name: lease
UPDATE records.top_up_triggers SET token = token + 1, leased_until = clock_timestamp() + %(lease)s::interval
WHERE trigger_id = %(trigger_id)s AND ended_at IS NULL AND due_at <= %(now)s
  AND (leased_until IS NULL OR leased_until < clock_timestamp())
RETURNING {{columns}};

-- name: due
SELECT trigger_id::text FROM records.top_up_triggers
WHERE ended_at IS NULL AND due_at <= %(now)s AND (leased_until IS NULL OR leased_until < clock_timestamp())
ORDER BY due_at
LIMIT %(limit)s;

-- name: save
-- The token is ours as long as no other process has taken a lease. With `rests` the lease is given back.
UPDATE records.top_up_triggers
SET state = %(state)s, attempt = %(attempt)s, silent = %(silent)s, searched_at = %(searched_at)s,
    silent_since = CASE WHEN %(silent)s > 0 THEN coalesce(silent_since, clock_timestamp()) END,
    payment_id = %(payment_id)s, url = %(url)s, failure = %(failure)s, due_at = coalesce(%(due_at)s, due_at),
    changed_at = clock_timestamp(), ended_at = CASE WHEN %(due_at)s::timestamptz IS NULL THEN clock_timestamp() END,
    leased_until = CASE WHEN NOT %(rests)s THEN clock_timestamp() + %(lease)s::interval END
WHERE trigger_id = %(trigger_id)s AND token = %(token)s AND ended_at IS NULL;

-- name: release_lease
-- Gives the lease back, so that another process need not wait until it ends.
UPDATE records.top_up_triggers SET leased_until = NULL
WHERE trigger_id = %(trigger_id)s AND token = %(token)s;

-- name: hasten
-- The customer has another card: tries it now.
UPDATE records.top_up_triggers SET due_at = least(due_at, clock_timestamp())
WHERE account_id = ANY (%(accounts)s) AND state = 'due' AND ended_at IS NULL;

-- name: credited
-- A paid trigger is over, even if it was given up before.
UPDATE records.top_up_triggers
SET state = 'credited', payment_id = %(payment_id)s, failure = NULL, changed_at = clock_timestamp(),
    ended_at = coalesce(ended_at, clock_timestamp())
WHERE trigger_id = %(trigger_id)s AND state <> 'credited';

-- name: paid_by
SELECT payment_id FROM records.top_up_triggers WHERE trigger_id = %(trigger_id)s AND state = 'credited';

-- name: last
-- The account's last trigger.
SELECT {{columns}}, due_at
FROM records.top_up_triggers
WHERE account_id = %(account_id)s
ORDER BY triggered_at DESC
LIMIT 1;

-- name: attempt
SELECT customer_id, method_id, currency, amount_minor, tax_minor, fx_rate FROM records.top_up_attempts
WHERE trigger_id = %(trigger_id)s AND attempt = %(attempt)s;

-- name: attempting
-- The holder of the lease writes it before it asks the provider. A repeated attempt keeps its first parameters.
WITH held AS (
    UPDATE records.top_up_triggers
    SET state = 'sent', changed_at = clock_timestamp(), leased_until = clock_timestamp() + %(lease)s::interval
    WHERE trigger_id = %(trigger_id)s AND token = %(token)s AND ended_at IS NULL
    RETURNING trigger_id
)
INSERT INTO records.top_up_attempts AS a (trigger_id, attempt, customer_id, method_id, currency, amount_minor,
    tax_minor, fx_rate)
SELECT trigger_id, %(attempt)s, %(customer_id)s, %(method_id)s, %(currency)s, %(amount_minor)s, %(tax_minor)s,
    %(fx_rate)s
FROM held
ON CONFLICT (trigger_id, attempt) DO UPDATE SET calls = a.calls + 1
RETURNING a.customer_id, a.method_id, a.currency, a.amount_minor, a.tax_minor, a.fx_rate;

-- name: answered
UPDATE records.top_up_attempts
SET outcome = %(outcome)s, code = %(code)s, payment_id = %(payment_id)s, answered_at = clock_timestamp()
WHERE trigger_id = %(trigger_id)s AND attempt = %(attempt)s;

-- name: recent
-- The account's last triggers, for the customer.
SELECT {{columns}}, due_at
FROM records.top_up_triggers
WHERE account_id = %(account_id)s
ORDER BY triggered_at DESC
LIMIT %(limit)s;
