-- From here on every program looks whether a database is of its release (ledger/records/release.py). Those of before
-- don't. Their workers and consumers end at 0033, which takes away what they read first; this is what their APIs need
-- for each request with a key.
ALTER TABLE records.api_keys RENAME COLUMN key_hash TO secret_hash;
