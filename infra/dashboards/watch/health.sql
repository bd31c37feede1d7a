SELECT arm, requests, failures, error_rate, latency_p95_ms, share, declared_share, positive_share
FROM $health
ORDER BY arm
