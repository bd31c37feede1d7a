-- When answers were asked for, and when something was last said of them.
SELECT
  request_time,
  decided_at,
  COALESCE(readings, 0) AS readings,
  sampling_probability,
  CAST(NULL AS DOUBLE) AS propensity
FROM $answers AS answer
FULL OUTER JOIN (
  SELECT
    prediction_id,
    MAX(timestamp) AS decided_at,
    COUNT(*) AS readings,
    MIN(sampling_probability) AS sampling_probability
  FROM $feedback
  GROUP BY prediction_id
) AS reading
  ON reading.prediction_id = CASE
    WHEN answer.answer_number = 1 AND answer.probability IS NOT NULL THEN answer.prediction_id
  END
WHERE client_request_id IS NULL OR client_request_id NOT LIKE '$replay%'
