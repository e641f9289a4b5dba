-- Refused authorizations that ask for a top-up: one row for each time that an account's machine is armed.

-- name: note
-- The event has the figures of the first refusal. Later refusals change nothing until the machine is armed again.
INSERT INTO records.top_up_requests (account_id, since_seq, available, balance)
VALUES (%(account_id)s, %(since_seq)s, %(available)s, %(balance)s)
ON CONFLICT (account_id, since_seq) DO NOTHING;

-- name: waiting
-- Requests that are not on the log and whose machine was not armed again since, the newest first, with the state of their
-- accounts now.
SELECT r.account_id, r.since_seq, r.available, r.balance, r.requested_at > clock_timestamp() - interval '1 minute',
    a.top_up_enabled, a.state, a.top_up_threshold, a.open_disputes, b.balance - h.held
FROM records.top_up_requests r
JOIN views.accounts a ON a.account_id = r.account_id AND a.since_seq = r.since_seq
JOIN views.balances b ON b.account_id = r.account_id
JOIN records.held_accounts h ON h.account_id = r.account_id
WHERE r.appended_at IS NULL
ORDER BY r.requested_at DESC
LIMIT %(limit)s;

-- name: appended
UPDATE records.top_up_requests SET appended_at = clock_timestamp()
WHERE account_id = %(account_id)s AND since_seq = %(since_seq)s;

-- name: forget
-- Requests that were never appended and whose machine has changed its state or its policy since.
DELETE FROM records.top_up_requests r
WHERE r.appended_at IS NULL AND r.requested_at < clock_timestamp() - interval '1 day'
  AND NOT EXISTS (SELECT FROM views.accounts a WHERE a.account_id = r.account_id AND a.since_seq = r.since_seq);
