-- Payments as they are projected, for the comparison with their provider's lists.

-- name: uncredited
-- Those of the given purchases that the views lack, by their place in the list.
SELECT asked.place - 1
FROM unnest(%(accounts)s::text[], %(purchases)s::text[]) WITH ORDINALITY AS asked (account_id, purchase_id, place)
WHERE NOT EXISTS (SELECT FROM views.purchases p
                  WHERE p.account_id = asked.account_id AND p.purchase_id = asked.purchase_id);

-- name: credited_since
-- Repeats the condition of the index entries_providers, so that Postgres uses it.
SELECT data ->> 'provider_payment_id', account_id, data ->> 'purchase_id'
FROM views.entries
WHERE type = 'credits.purchased' AND currency IS NOT NULL AND provider = %(provider)s AND log_time >= %(since)s;

-- name: oldest_open_dispute
-- Repeats the condition of the index entries_money, so that Postgres uses it.
SELECT min(e.occurred_at)
FROM views.purchases p
JOIN views.entries e ON e.account_id = p.account_id AND e.type = 'dispute.opened'
    AND e.type IN ('credits.purchased', 'credits.refunded', 'dispute.opened', 'dispute.closed', 'credits.adjusted')
    AND e.data ->> 'purchase_id' = p.purchase_id
WHERE p.provider = %(provider)s AND p.disputed > 0;

-- name: was_lost
-- Whether the views lack a purchase although they are folded past the moment at which its row ended: then the log lost it
-- before it was folded. A purchase that became a dead letter was not lost: people decide about it.
SELECT EXISTS (
    SELECT FROM records.checkouts c
    WHERE c.checkout_id = %(checkout_id)s
      AND c.ended_at < (SELECT CASE WHEN count(*) = count(through) THEN min(through) END FROM views.progress)
      AND NOT EXISTS (SELECT FROM views.purchases p
                      WHERE p.account_id = c.account_id AND p.purchase_id = c.checkout_id::text)
      AND NOT EXISTS (SELECT FROM views.dead_letters d WHERE d.event_id = %(event_id)s)
      AND NOT EXISTS (SELECT FROM records.rebuilds r WHERE r.finished_at IS NULL));

-- name: perhaps_lost
-- Payments that were credited by their rows, and have no purchase although the views are folded past that moment.
SELECT payment_id
FROM (SELECT checkout_id::text AS purchase_id, account_id, payment_id, ended_at FROM records.checkouts
      WHERE provider = %(provider)s AND state = 'credited'
      UNION ALL
      SELECT trigger_id::text, account_id, payment_id, ended_at FROM records.top_up_triggers
      WHERE provider = %(provider)s AND state = 'credited' AND payment_id IS NOT NULL) AS credited
WHERE ended_at < (SELECT CASE WHEN count(*) = count(through) THEN min(through) END FROM views.progress)
  AND NOT EXISTS (SELECT FROM views.purchases p
                  WHERE p.account_id = credited.account_id AND p.purchase_id = credited.purchase_id)
ORDER BY ended_at;
