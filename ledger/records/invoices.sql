-- Invoices and credit notes as they were issued.

-- part: columns
number, kind, account_id, purchase_id, issued_on, currency, total_minor, tax_minor, created_at

-- part: unrecorded_columns
number, account_id, event_id::text, purchase_id, created_at

-- name: next_position
-- Locks the series of the year until the transaction ends. So numbers have no gaps: a rollback gives the number back.
INSERT INTO records.invoice_series AS s (series, year, last) VALUES (%(series)s, %(year)s, 1)
ON CONFLICT (series, year) DO UPDATE SET last = s.last + 1
RETURNING last;

-- name: reach
-- Continues after a number that only the log has.
INSERT INTO records.invoice_series AS s (series, year, last) VALUES (%(series)s, %(year)s, %(position)s)
ON CONFLICT (series, year) DO UPDATE SET last = greatest(s.last, excluded.last);

-- name: insert
INSERT INTO records.invoices (number, kind, series, year, position, event_id, account_id, purchase_id, issued_on,
    currency, total_minor, tax_minor, content, created_at)
VALUES (%(number)s, %(kind)s, %(series)s, %(year)s, %(position)s, %(event_id)s, %(account_id)s, %(purchase_id)s,
    %(issued_on)s, %(currency)s, %(total_minor)s, %(tax_minor)s, %(content)s::jsonb,
    %(created_at)s);

-- name: of_event
SELECT number FROM records.invoices WHERE account_id = %(account_id)s AND event_id = %(event_id)s;

-- name: of_events
-- The documents of these purchases and refunds that may be shown.
SELECT event_id::text, number FROM records.invoices
WHERE account_id = %(account_id)s AND event_id = ANY(%(event_ids)s::uuid[]) AND recorded_at IS NOT NULL;

-- name: of_purchase
SELECT content::text FROM records.invoices
WHERE account_id = %(account_id)s AND purchase_id = %(purchase_id)s AND kind = 'invoice';

-- name: returned_tax
SELECT coalesce(sum(tax_minor), 0) FROM records.invoices
WHERE account_id = %(account_id)s AND purchase_id = %(purchase_id)s AND kind = 'credit_note';

-- name: unrecorded
SELECT {{unrecorded_columns}} FROM records.invoices
WHERE recorded_at IS NULL
ORDER BY created_at, number
LIMIT %(limit)s;

-- name: gone
-- Documents whose numbers were put on the log but have no entry: the log lost its tail before it was folded.
SELECT {{unrecorded_columns}} FROM records.invoices i
WHERE recorded_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM views.entries e
                  WHERE e.account_id = i.account_id AND e.type = 'invoice.issued' AND e.data ->> 'number' = i.number
                    AND e.type IN ('credits.purchased', 'credits.refunded', 'dispute.opened', 'dispute.closed',
                                   'auto_top_up.failed', 'invoice.issued'))
ORDER BY created_at, number;

-- name: recorded
UPDATE records.invoices SET recorded_at = clock_timestamp() WHERE number = %(number)s AND recorded_at IS NULL;

-- name: find
SELECT {{columns}}
FROM records.invoices
WHERE number = %(number)s AND recorded_at IS NOT NULL;

-- name: page
-- Newest first, after the last line of the previous page.
SELECT {{columns}}
FROM records.invoices
WHERE account_id = %(account_id)s AND recorded_at IS NOT NULL AND (created_at, number) < (%(before)s, %(number)s)
ORDER BY created_at DESC, number DESC
LIMIT %(limit)s;

-- name: content
SELECT content::text FROM records.invoices WHERE number = %(number)s AND recorded_at IS NOT NULL;

-- name: pdf
SELECT pdf FROM records.invoice_pdfs WHERE number = %(number)s;

-- name: keep_pdf
INSERT INTO records.invoice_pdfs (number, pdf) VALUES (%(number)s, %(pdf)s) ON CONFLICT DO NOTHING;
