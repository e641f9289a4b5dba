-- The gate's first step in one call. What the funds mean, and what of them is granted, is decided outside
-- (ledger/core/spending.py). Its statements have a snapshot each, for it is volatile: the funds are read after the lock,
-- so that they are what the step before it has left.
CREATE FUNCTION records.locked_funds(accounts text[], wait boolean)
RETURNS TABLE (
    account_id text, balance bigint, held bigint, behind_seconds float8,
    top_up_enabled boolean, top_up_threshold bigint, top_up_state text, top_up_since bigint, top_up_disputes integer
)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    locked text[];
BEGIN
    -- Every account has its row before it is locked; sorted, as the locks are.
    INSERT INTO records.held_accounts (account_id)
    SELECT DISTINCT asked FROM unnest(accounts) AS asked
    WHERE NOT EXISTS (SELECT FROM records.held_accounts h WHERE h.account_id = asked)
    ORDER BY asked
    ON CONFLICT DO NOTHING;
    IF wait THEN
        SELECT array_agg(l.account_id) INTO locked FROM (
            SELECT h.account_id FROM records.held_accounts h WHERE h.account_id = ANY (accounts)
            ORDER BY h.account_id FOR UPDATE
        ) l;
    ELSE
        SELECT array_agg(l.account_id) INTO locked FROM (
            SELECT h.account_id FROM records.held_accounts h WHERE h.account_id = ANY (accounts)
            ORDER BY h.account_id FOR UPDATE SKIP LOCKED
        ) l;
    END IF;
    RETURN QUERY
    SELECT h.account_id, coalesce(b.balance, 0), h.held,
           coalesce(extract(epoch FROM clock_timestamp() - CASE
               -- Half-built views: usage that is not folded again yet has ended its hold already.
               WHEN EXISTS (SELECT FROM records.rebuilds WHERE finished_at IS NULL) THEN NULL
               -- Its first event may be in any partition.
               WHEN b.account_id IS NULL THEN
                   (SELECT CASE WHEN count(*) = count(through) THEN min(through) END FROM views.progress)
               ELSE p.through END), 'infinity')::float8,
           coalesce(a.top_up_enabled, false), a.top_up_threshold, a.state, coalesce(a.since_seq, 0),
           coalesce(a.open_disputes, 0)
    FROM records.held_accounts h
    LEFT JOIN views.balances b ON b.account_id = h.account_id
    LEFT JOIN views.progress p ON p.partition = b.partition
    LEFT JOIN views.accounts a ON a.account_id = h.account_id
    WHERE h.account_id = ANY (locked);
END
$$;
