-- The customers that accounts are at the providers.

-- name: find
SELECT customer_id FROM records.customers WHERE account_id = %(account_id)s AND provider = %(provider)s;

-- name: put
INSERT INTO records.customers (account_id, provider, customer_id)
VALUES (%(account_id)s, %(provider)s, %(customer_id)s)
ON CONFLICT (account_id, provider) DO UPDATE SET customer_id = excluded.customer_id;

-- name: accounts_of
SELECT account_id FROM records.customers WHERE provider = %(provider)s AND customer_id = %(customer_id)s;
