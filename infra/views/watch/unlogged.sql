-- One row: requests that were answered well, and those of them whose row the inference table lacks.
-- Rows come late, on Databricks up to an hour, so that the window ends before that.
SELECT
  COUNT(*) AS answered,
  COUNT_IF(logged.databricks_request_id IS NULL) AS unlogged,
  try_divide(COUNT_IF(logged.databricks_request_id IS NULL), COUNT(*)) AS unlogged_share
FROM system.serving.endpoint_usage AS answered
LEFT JOIN (SELECT DISTINCT databricks_request_id FROM $payload) AS logged
  ON logged.databricks_request_id = answered.databricks_request_id
WHERE
  answered.status_code = 200
  AND answered.served_entity_id IN (
    SELECT served_entity_id FROM system.serving.served_entities WHERE endpoint_name = '$endpoint'
  )
  AND answered.request_time < current_timestamp() - INTERVAL '$late_minutes' MINUTE
  AND answered.request_time
    >= current_timestamp() - INTERVAL '$late_minutes' MINUTE - INTERVAL '$window_minutes' MINUTE
