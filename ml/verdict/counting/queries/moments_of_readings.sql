-- When readings were given.
SELECT
  CAST(NULL AS TIMESTAMP) AS request_time,
  timestamp AS decided_at,
  1 AS readings,
  sampling_probability,
  CAST(NULL AS DOUBLE) AS propensity
FROM $feedback
