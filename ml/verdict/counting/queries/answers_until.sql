-- The answers to the requests until a moment, or of some days until then. Of several answers to one
-- id, the last one by then is number 1.
SELECT
  prediction_id,
  row_number() OVER (
    PARTITION BY prediction_id, probability IS NULL
    ORDER BY request_time DESC, databricks_request_id DESC
  ) AS answer_number,
  databricks_request_id,
  client_request_id,
  image_index,
  request_time,
  status_code,
  endpoint_name,
  arm,
  model_name,
  model_version,
  probability,
  execution_duration_ms
FROM $answers
WHERE request_time <= CAST(:as_of AS TIMESTAMP)$days
