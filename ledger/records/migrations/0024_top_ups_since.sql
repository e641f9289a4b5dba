ALTER TABLE records.top_up_triggers
    -- When it may have been charged first; NULL: when it was triggered.
    ADD COLUMN search_from timestamptz,
    -- Since when answers have decided nothing; NULL while they do.
    ADD COLUMN silent_since timestamptz;
