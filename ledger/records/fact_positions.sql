-- How far consumers of facts have come.

-- name: lock
-- Makes the row if it is missing, and locks it until the transaction ends.
INSERT INTO records.fact_positions (consumer, partition, next_offset) VALUES (%(consumer)s, %(partition)s, 0)
ON CONFLICT (consumer, partition) DO UPDATE SET next_offset = fact_positions.next_offset
RETURNING next_offset;

-- name: move
UPDATE records.fact_positions SET next_offset = %(offset)s
WHERE consumer = %(consumer)s AND partition = %(partition)s;
