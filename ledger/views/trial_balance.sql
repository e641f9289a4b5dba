-- The trial balance: the sum of each posting account. The sums of one unit add up to zero.
SELECT posting_account, unit, sum(amount)::text AS total
FROM views.postings
GROUP BY posting_account, unit
ORDER BY unit, posting_account;
