-- The payment sweep. Its lists are read again from 30 days before `complete_at`: when the last sweep began that read all
-- of the provider's lists to their end.
CREATE TABLE records.sweeps (
    provider            text PRIMARY KEY,
    complete_at         timestamptz NOT NULL
);
