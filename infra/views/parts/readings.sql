-- The readings that readers have sent. One that came before its request was logged, by Databricks'
-- id of it, is of the prediction that has the client's id, as the rest of such a request's are.
SELECT
  COALESCE(
    CONCAT(logged.client_request_id, regexp_extract(reading.prediction_id, '#.*', 0)),
    reading.prediction_id
  ) AS prediction_id,
  reading.radiologist_id,
  reading.ground_truth,
  reading.confidence,
  reading.timestamp AS decided_at,
  reading.written_at,
  reading.feedback_id,
  reading.supersedes,
  COALESCE(reading.blind, TRUE) AS blind,
  COALESCE(reading.feedback_source, '') = '$simulation' AND NOT $simulations_count AS simulated,
  reading.sampling_probability
FROM $feedback AS reading
LEFT JOIN (
  SELECT databricks_request_id, MAX(client_request_id) AS client_request_id
  FROM $payload
  WHERE status_code = 200 AND client_request_id IS NOT NULL
  GROUP BY databricks_request_id
) AS logged
  ON logged.databricks_request_id = CASE
    WHEN COALESCE(reading.pending, TRUE) THEN regexp_extract(reading.prediction_id, '^(.+?)(#|$$)', 1)
  END
