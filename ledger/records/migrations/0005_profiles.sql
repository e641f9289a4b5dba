-- Who a customer is: personal data, which is never on the log. To erase it, delete the account's row of profiles; answers
-- under an Idempotency-Key have it for seven days more.

-- One row per account that ever had a profile or a tax id. `country`: ISO 3166-1 alpha-2; `locale`: BCP 47.
CREATE TABLE records.profiles (
    account_id          text PRIMARY KEY,
    name                text,
    email               text,
    line1               text,
    line2               text,
    city                text,
    state               text,
    postal_code         text,
    country             text,
    time_zone           text,
    locale              text,
    updated_at          timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- `type` as Stripe names it, `value` written as Stripe expects it.
CREATE TABLE records.tax_ids (
    tax_id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id          text NOT NULL REFERENCES records.profiles ON DELETE CASCADE,
    country             text NOT NULL,
    type                text NOT NULL,
    value               text NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (account_id, type, value)
);
