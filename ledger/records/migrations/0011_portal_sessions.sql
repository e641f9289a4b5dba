-- Visits of customers to the billing page: a link that opens one browser's session once, and that session. Both are
-- secrets, of which only hashes are kept.
CREATE TABLE records.portal_sessions (
    session_id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id          text NOT NULL,
    -- Which page the link leads to, and where the page leads back to.
    page                text NOT NULL,
    return_url          text,
    link_hash           bytea NOT NULL UNIQUE,
    link_until          timestamptz NOT NULL,
    -- NULL until the link was opened.
    cookie_hash         bytea UNIQUE,
    expires_at          timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    CHECK ((cookie_hash IS NULL) = (expires_at IS NULL))
);
