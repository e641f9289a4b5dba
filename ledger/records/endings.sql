-- Ends things again after a restore, by their id alone. Statements that other files have are not repeated here.

-- name: delete_tax_id
DELETE FROM records.tax_ids WHERE tax_id = %(tax_id)s;
