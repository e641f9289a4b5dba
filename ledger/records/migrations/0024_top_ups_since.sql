ALTER TABLE records.top_up_triggers
    -- When it may have been charged first; NULL: when it was triggered.
    ADD COLUMN search_from timestamptz;
