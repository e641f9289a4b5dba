-- What else of a topic can't change without a loss: its replicas, and per partition where it begins and how far it was
-- seen to reach. How far ledger.events reaches is in views.progress. Settings are compared with what they must be.
ALTER TABLE records.topics
    DROP COLUMN timestamp_type,
    ADD COLUMN replicas integer CHECK (replicas > 0),
    ADD COLUMN begins bigint[],
    ADD COLUMN ends bigint[];
