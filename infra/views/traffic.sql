-- Requests, share of the traffic, failures and latency by arm and hour (UTC).
-- Compare the share with the split of the environment file; latency is the model's own time.
SELECT
  hour,
  arm,
  model_version,
  requests,
  requests / SUM(requests) OVER (PARTITION BY hour) AS share,
  failures,
  latency_p50_ms,
  latency_p95_ms
FROM (
  SELECT
    date_trunc('HOUR', request_time) AS hour,
    arm,
    model_version,
    COUNT(*) AS requests,
    COUNT_IF(status_code <> 200) AS failures,
    percentile(execution_duration_ms, 0.5) AS latency_p50_ms,
    percentile(execution_duration_ms, 0.95) AS latency_p95_ms
  FROM $requests
  GROUP BY date_trunc('HOUR', request_time), arm, model_version
) AS by_hour
