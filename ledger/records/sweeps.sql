-- The payment sweep: the purchases to ask about, and how far back its lists are read.

-- name: due
-- Open purchases, those first that were not asked about for longest. The older one is, the seldomer: from every two
-- seconds to every ten minutes. One without a reference may still be begun by who made it: that call has its time first.
SELECT checkout_id::text
FROM records.checkouts
WHERE ended_at IS NULL AND provider = %(provider)s
  AND coalesce(asked_at, created_at) + greatest(
        least((clock_timestamp() - created_at) / 10, interval '10 minutes'),
        CASE WHEN reference IS NULL AND asked_at IS NULL THEN %(beginning)s::interval ELSE interval '2 seconds' END
      ) < clock_timestamp()
ORDER BY coalesce(asked_at, created_at)
LIMIT %(most)s;

-- name: complete_at
SELECT complete_at FROM records.sweeps WHERE provider = %(provider)s;

-- name: completed
INSERT INTO records.sweeps (provider, complete_at) VALUES (%(provider)s, %(at)s)
ON CONFLICT (provider) DO UPDATE SET complete_at = excluded.complete_at;
