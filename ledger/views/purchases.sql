-- Purchases as they are projected.

-- name: payment
-- The condition of the index entries_money is repeated so that it is used.
SELECT data ->> 'provider_payment_id'
FROM views.entries
WHERE account_id = %(account_id)s AND type = 'credits.purchased' AND data ->> 'purchase_id' = %(purchase_id)s
  AND type IN ('credits.purchased', 'credits.refunded', 'dispute.opened', 'dispute.closed', 'credits.adjusted');
