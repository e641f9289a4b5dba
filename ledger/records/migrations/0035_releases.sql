-- From here on every program looks whether a database is of its release (ledger/records/release.py). Those of before
-- don't: what their workers, consumers and APIs read first is gone or has another name, so that they end, or refuse,
-- before they write.
ALTER TABLE records.topics DROP COLUMN IF EXISTS timestamp_type;
ALTER TABLE records.api_keys RENAME COLUMN key_hash TO secret_hash;
