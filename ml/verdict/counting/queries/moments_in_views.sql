-- When requests were asked, readings were given, and what is known of films was written down.
SELECT
  request_time,
  CAST(NULL AS TIMESTAMP) AS decided_at,
  0 AS readings,
  CAST(NULL AS DOUBLE) AS sampling_probability,
  CAST(NULL AS DOUBLE) AS propensity
FROM $requests
WHERE client_request_id IS NULL OR client_request_id NOT LIKE '$replay%'
UNION ALL
SELECT
  CAST(NULL AS TIMESTAMP), timestamp, 1, sampling_probability, CAST(NULL AS DOUBLE)
FROM $feedback
UNION ALL
SELECT
  CAST(NULL AS TIMESTAMP), recorded_at, 0, CAST(NULL AS DOUBLE), CAST(NULL AS DOUBLE)
FROM $context
