-- Payments as they are projected, to be held against what their provider says.

-- name: uncredited
-- Of these purchases those that are not there, by their place.
SELECT asked.place - 1
FROM unnest(%(accounts)s::text[], %(purchases)s::text[]) WITH ORDINALITY AS asked (account_id, purchase_id, place)
WHERE NOT EXISTS (SELECT FROM views.purchases p
                  WHERE p.account_id = asked.account_id AND p.purchase_id = asked.purchase_id);

-- name: credited_since
-- The condition of the index entries_providers is in it so that it is used.
SELECT data ->> 'provider_payment_id', account_id, data ->> 'purchase_id'
FROM views.entries
WHERE type = 'credits.purchased' AND currency IS NOT NULL AND provider = %(provider)s AND log_time >= %(since)s;

-- name: oldest_open_dispute
-- The condition of the index entries_money is repeated so that it is used.
SELECT min(e.occurred_at)
FROM views.purchases p
JOIN views.entries e ON e.account_id = p.account_id AND e.type = 'dispute.opened'
    AND e.type IN ('credits.purchased', 'credits.refunded', 'dispute.opened', 'dispute.closed', 'credits.adjusted')
    AND e.data ->> 'purchase_id' = p.purchase_id
WHERE p.provider = %(provider)s AND p.disputed > 0;
