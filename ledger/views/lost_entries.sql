-- Entries of the views that the log lacks. Tables without a schema are temporary ones, or those of the compared views,
-- which are in the session's search path.

-- name: make_found
CREATE TEMP TABLE found (
    event_id uuid NOT NULL, account_id text NOT NULL, signed boolean NOT NULL, content uuid NOT NULL,
    partition integer NOT NULL, log_offset bigint NOT NULL
);

-- name: make_unproven
CREATE TEMP TABLE unproven (partition integer NOT NULL, log_offset bigint NOT NULL);

-- name: copy_unproven
COPY unproven (partition, log_offset) FROM STDIN;

-- name: count_unproven
-- Entries whose record is still at its place on the log, but whose signature does not verify.
SELECT count(*) FROM lost JOIN unproven USING (partition, log_offset);

-- name: copy_found
COPY found (event_id, account_id, signed, content, partition, log_offset) FROM STDIN;

-- name: make_lost
-- The entries whose events are nowhere on the log.
CREATE TEMP TABLE lost AS
SELECT e.event_id, e.account_id, e.signed, e.partition, e.log_offset, e.type, e.seq, e.amount
FROM entries e
WHERE NOT EXISTS (SELECT FROM found f
                  WHERE f.event_id = e.event_id AND f.account_id = e.account_id AND f.signed = e.signed
                    AND f.content = e.content);

-- name: index_lost
CREATE INDEX ON lost (event_id, account_id, signed);

-- name: analyze
ANALYZE found;

-- name: drop
DROP TABLE IF EXISTS found, unproven, lost;

-- name: there
SELECT to_regclass('entries') IS NOT NULL;

-- name: folded
SELECT partition, next_offset FROM progress ORDER BY partition;

-- name: losses
SELECT partition, type, count(*), coalesce(sum(amount), 0)::bigint FROM lost GROUP BY partition, type ORDER BY partition, type;

-- name: out_of_order
-- Accounts that have lost an event of which the log still has later ones.
SELECT account_id
FROM (SELECT account_id, min(seq) AS first FROM lost GROUP BY account_id) AS l
WHERE EXISTS (SELECT FROM entries e
              WHERE e.account_id = l.account_id AND e.seq > l.first
                AND NOT EXISTS (SELECT FROM lost x
                                WHERE x.event_id = e.event_id AND x.account_id = e.account_id AND x.signed = e.signed))
ORDER BY account_id
LIMIT 10;

-- name: in_place
-- Per partition the offset behind the last entry that is still at its place. Before it the log is unchanged.
SELECT e.partition, max(e.log_offset) + 1
FROM entries e JOIN found f
    ON f.event_id = e.event_id AND f.account_id = e.account_id AND f.signed = e.signed
   AND f.partition = e.partition AND f.log_offset = e.log_offset
GROUP BY e.partition;

-- name: reached
-- Per partition the offset behind the last event that has an entry (its first copy counts). Later events are new.
SELECT partition, max(first) + 1
FROM (SELECT f.partition, min(f.log_offset) AS first
      FROM found f JOIN entries e
          ON e.event_id = f.event_id AND e.account_id = f.account_id AND e.signed = f.signed AND e.content = f.content
      GROUP BY f.partition, f.event_id, f.account_id, f.signed) AS firsts
GROUP BY partition;

-- name: lost_entries
-- By partition, in the order in which the log was folded, with all parts of their events. A time outside of the years 1
-- to 9999 in UTC was inside of them in its own time zone.
SELECT e.partition, e.event_id::text, e.account_id, e.signed, replace(e.content::text, '-', ''), e.type,
       (extract(epoch FROM e.log_time) * 1000)::bigint, e.source, e.dataschema,
       CASE WHEN e.occurred_at >= '10000-01-01 00:00+00'
                THEN to_json(e.occurred_at AT TIME ZONE interval '-15:00') #>> '{}' || '-15:00'
            WHEN e.occurred_at < '0001-01-01 00:00+00'
                THEN to_json(e.occurred_at AT TIME ZONE interval '15:00') #>> '{}' || '+15:00'
            ELSE to_json(e.occurred_at AT TIME ZONE 'UTC') #>> '{}' || 'Z' END,
       CASE WHEN e.type = 'usage.recorded' THEN json_build_object(
           'request_id', e.request_id, 'provider', e.provider, 'model', e.model, 'mode', e.mode,
           'input_tokens', e.input_tokens, 'output_tokens', e.output_tokens,
           'units', e.units, 'attributes', e.attributes,
           'provider_cost', e.provider_cost::text, 'extra_cost', e.extra_cost::text, 'own_key', e.own_key, 'api_key_id', e.api_key_id, 'authorization_id', e.authorization_id,
           'metadata', e.data)::text
       ELSE e.data::text END
FROM lost l JOIN entries e USING (event_id, account_id, signed)
ORDER BY e.partition, e.log_offset;
