-- One row per arm of the declared split: what it was asked and answered in the window of the watch.
-- The window begins behind the last change of the endpoint, when its first minutes are over.
-- Latency is the model's own time. An arm that nobody asked has no rate.
WITH watched AS (
$since
)
SELECT
  declared.arm,
  COALESCE(seen.requests, 0) AS requests,
  COALESCE(seen.failures, 0) AS failures,
  seen.failures / seen.requests AS error_rate,
  seen.latency_p95_ms,
  declared.share AS declared_share,
  COALESCE(seen.requests, 0) / NULLIF(SUM(seen.requests) OVER (), 0) AS share,
  SUM(seen.requests) OVER () AS requests_of_all,
  called.positive_share
FROM (
  $declared_shares
) AS declared
LEFT JOIN (
  SELECT
    arm,
    COUNT(*) AS requests,
    COUNT_IF(status_code <> 200) AS failures,
    percentile(execution_duration_ms, 0.95) AS latency_p95_ms
  FROM $requests AS request
  CROSS JOIN watched
  WHERE request.request_time >= watched.since
  GROUP BY arm
) AS seen
  ON seen.arm = declared.arm
LEFT JOIN (
  SELECT
    arm,
    AVG(CASE WHEN predicted_label = '$positive' THEN 1.0D ELSE 0.0D END) AS positive_share
  FROM $predictions AS prediction
  CROSS JOIN watched
  WHERE prediction.request_time >= watched.since
  GROUP BY arm
) AS called
  ON called.arm = declared.arm
