-- Every message that a provider signed, and its outcome.

-- name: received
INSERT INTO records.provider_events AS e (provider, event_id, type, created)
VALUES (%(provider)s, %(event_id)s, %(type)s, %(created)s)
ON CONFLICT (provider, event_id) DO UPDATE SET deliveries = e.deliveries + 1
RETURNING outcome;

-- name: did
UPDATE records.provider_events SET outcome = %(outcome)s WHERE provider = %(provider)s AND event_id = %(event_id)s;
