-- Profiles of customers and their tax ids. A change of tax ids locks the account's profile row.

-- part: tax_id_columns
tax_id::text, country, type, value, created_at

-- name: profile
SELECT name, email, line1, line2, city, state, postal_code, country, time_zone, locale
FROM records.profiles
WHERE account_id = %(account_id)s;

-- name: put
INSERT INTO records.profiles
    (account_id, name, email, line1, line2, city, state, postal_code, country, time_zone, locale)
VALUES
    (%(account_id)s, %(name)s, %(email)s, %(line1)s, %(line2)s, %(city)s, %(state)s, %(postal_code)s, %(country)s,
     %(time_zone)s, %(locale)s)
ON CONFLICT (account_id) DO UPDATE SET
    name = excluded.name, email = excluded.email, line1 = excluded.line1, line2 = excluded.line2, city = excluded.city,
    state = excluded.state, postal_code = excluded.postal_code, country = excluded.country,
    time_zone = excluded.time_zone, locale = excluded.locale, updated_at = clock_timestamp();

-- name: lock
INSERT INTO records.profiles (account_id) VALUES (%(account_id)s)
ON CONFLICT (account_id) DO UPDATE SET account_id = excluded.account_id;

-- name: tax_ids
SELECT {{tax_id_columns}}
FROM records.tax_ids
WHERE account_id = %(account_id)s
ORDER BY created_at, tax_id;

-- name: add_tax_id
INSERT INTO records.tax_ids (account_id, country, type, value)
VALUES (%(account_id)s, %(country)s, %(type)s, %(value)s)
RETURNING {{tax_id_columns}};

-- name: delete_tax_id
DELETE FROM records.tax_ids WHERE account_id = %(account_id)s AND tax_id = %(tax_id)s;
