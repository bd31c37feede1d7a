-- One row per image that an arm answered: a request of several images has several.
-- A failed request, and one too large to be logged, has no prediction.
SELECT
  prediction_id,
  answer_number,
  databricks_request_id,
  client_request_id,
  image_index,
  request_time,
  endpoint_name,
  arm,
  model_name,
  model_version,
  probability,
  CASE WHEN probability >= $threshold THEN '$positive' ELSE '$negative' END AS predicted_label,
  execution_duration_ms
FROM $answers
WHERE probability IS NOT NULL
