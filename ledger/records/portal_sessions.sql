-- Links to the billing page, each good for one browser once, and the sessions that they open.

-- part: columns
session_id::text, account_id, page, return_url

-- name: create
INSERT INTO records.portal_sessions (account_id, page, return_url, link_hash, link_until)
VALUES (%(account_id)s, %(page)s, %(return_url)s, %(link_hash)s, now() + %(lasts)s::interval)
RETURNING link_until;

-- name: open
-- If two browsers come at the same time, one of them gets the row.
UPDATE records.portal_sessions SET cookie_hash = %(cookie_hash)s, expires_at = now() + %(lasts)s::interval
WHERE link_hash = %(link_hash)s AND cookie_hash IS NULL AND link_until > now()
RETURNING {{columns}};

-- name: find
SELECT {{columns}}
FROM records.portal_sessions
WHERE cookie_hash = %(cookie_hash)s AND expires_at > now();

-- name: close
UPDATE records.portal_sessions SET expires_at = now() WHERE session_id = %(session_id)s;

-- name: forget
DELETE FROM records.portal_sessions WHERE coalesce(expires_at, link_until) < now() - interval '1 day';
