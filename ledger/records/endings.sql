-- What is ended again after a restore, where its own file has no statement that needs the id alone.

-- name: delete_tax_id
DELETE FROM records.tax_ids WHERE tax_id = %(tax_id)s;
