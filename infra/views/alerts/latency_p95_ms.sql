SELECT arm, latency_p95_ms, requests
FROM $health
WHERE requests >= $minimum_requests
