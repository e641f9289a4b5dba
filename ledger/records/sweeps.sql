-- The payment sweep: the purchases to ask about, and how far back its lists are read.

-- name: due
-- Open purchases, the one that was asked about longest ago first. The older a purchase, the longer the pause: from two
-- seconds to ten minutes. A purchase without a reference waits first: the call that begins it may still be running.
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
