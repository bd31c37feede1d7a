-- Of each arm and minute since the endpoint last changed, at most a week: requests, failures, and
-- answers that took longer than the guard's limit.
SELECT
  request.arm,
  CAST(FLOOR(UNIX_MILLIS(request.request_time) / 60000) AS BIGINT) AS minute,
  COUNT(*) AS requests,
  COUNT_IF(request.status_code <> 200) AS failures,
  COUNT_IF(request.execution_duration_ms > $slow_ms) AS slow
FROM $requests AS request
CROSS JOIN (
  SELECT
    GREATEST(
      current_timestamp() - INTERVAL '168' HOUR,
      COALESCE(MAX(change_time), TIMESTAMP '1970-01-01 00:00:00')
    ) AS since
  FROM system.serving.served_entities
  WHERE endpoint_name = '$endpoint'
) AS watched
WHERE request.request_time >= watched.since AND request.arm IS NOT NULL
GROUP BY request.arm, CAST(FLOOR(UNIX_MILLIS(request.request_time) / 60000) AS BIGINT)
ORDER BY arm, minute
