-- Calls of certain models by all accounts, since a day. It reads all usage since then: too slow for a request.
SELECT u.provider, u.model, sum(u.requests)::bigint AS requests
FROM views.usage_days u
JOIN unnest(%(providers)s::text[], %(models)s::text[]) AS asked (provider, model) USING (provider, model)
WHERE u.day >= %(since)s
GROUP BY u.provider, u.model
ORDER BY requests DESC, u.provider, u.model
