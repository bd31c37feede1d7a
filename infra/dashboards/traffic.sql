SELECT hour, arm, requests, share, failures, latency_p50_ms, latency_p95_ms
FROM $traffic
ORDER BY hour, arm
