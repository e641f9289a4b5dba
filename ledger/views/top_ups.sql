-- Auto top-up over all accounts: caps that have opened, triggers without a charger, and charges that take too long.

-- name: opened_caps
SELECT account_id, reason FROM views.accounts
WHERE state = 'capped'
  AND (reason = 'day' AND day < %(day)s OR reason = 'month' AND spent_month < %(month)s)
ORDER BY account_id;

-- name: unattended
-- Accounts in flight whose trigger was published on ledger.topups more than a minute ago, and that no charger has.
-- `since`: when it triggered, or when its policy was set, if that was later.
SELECT a.account_id, a.trigger_id::text, a.trigger_credits, a.top_up_provider, a.payment_method_id,
    (SELECT e.log_time FROM views.entries e
     WHERE e.account_id = a.account_id AND e.seq = a.since_seq ORDER BY e.log_time DESC LIMIT 1) AS since
FROM views.accounts a
LEFT JOIN records.top_up_triggers t ON t.trigger_id = a.trigger_id AND t.state <> 'dropped'
LEFT JOIN records.outbox o ON o.message_id = a.trigger_id
WHERE a.state = 'in_flight' AND t.trigger_id IS NULL
  AND (o.message_id IS NULL OR o.sent_at < clock_timestamp() - interval '1 minute')
ORDER BY a.account_id;

-- name: open
-- The age counts from the attempt: looking an outcome up without a result does not make it younger.
SELECT t.state, count(*), extract(epoch FROM %(now)s - min(coalesce(a.created_at, t.triggered_at)))::float8
FROM records.top_up_triggers t LEFT JOIN records.top_up_attempts a USING (trigger_id, attempt)
WHERE t.ended_at IS NULL
GROUP BY t.state;

-- name: overdue
-- trigger: no charger works on it. unavailable: its provider does not answer. attempt: its outcome stays unknown.
-- payment: a payment link is still open after its end. in_flight: the charge is over, and the account still waits.
-- checkout: the sweep has not ended it. outbox: a message is not published.
WITH late AS (
    SELECT 'trigger' AS kind, due_at AS since FROM records.top_up_triggers
    WHERE ended_at IS NULL AND due_at < %(now)s - interval '5 minutes'
    UNION ALL
    SELECT 'unavailable', silent_since FROM records.top_up_triggers
    WHERE ended_at IS NULL AND state = 'due' AND silent_since < %(now)s - interval '15 minutes'
    UNION ALL
    SELECT CASE t.state WHEN 'pending' THEN 'payment' ELSE 'attempt' END, a.created_at
    FROM records.top_up_triggers t JOIN records.top_up_attempts a USING (trigger_id, attempt)
    WHERE t.ended_at IS NULL AND (t.state IN ('sent', 'canceling') AND a.created_at < %(now)s - interval '15 minutes'
        OR t.state = 'pending' AND a.created_at < %(now)s - interval '4 days')
    UNION ALL
    SELECT 'in_flight', t.changed_at
    FROM views.accounts v JOIN records.top_up_triggers t ON t.trigger_id = v.trigger_id
    WHERE v.state = 'in_flight' AND t.ended_at < %(now)s - interval '5 minutes'
    UNION ALL
    SELECT 'checkout', created_at FROM records.checkouts
    WHERE ended_at IS NULL AND created_at < %(now)s - interval '30 days'
    UNION ALL
    SELECT 'outbox', created_at FROM records.outbox
    WHERE sent_at IS NULL AND created_at < %(now)s - interval '1 minute'
)
SELECT kind, count(*), extract(epoch FROM %(now)s - min(since))::float8 FROM late GROUP BY kind;

-- name: suspended
SELECT account_id, since_seq, reason FROM views.accounts
WHERE state = 'suspended' AND account_id = ANY (%(accounts)s);
