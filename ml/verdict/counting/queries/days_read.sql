-- The predictions of some days that readers have said something of, and both ids of the requests
-- that they said it of by Databricks' id.
SELECT
  'known prediction' AS counted,
  $slice AS slice,
  prediction_id,
  CAST(NULL AS STRING) AS databricks_request_id
FROM (
$answers
) AS answer
WHERE answer_number = 1 AND probability IS NOT NULL AND prediction_id IN (
  SELECT prediction_id
  FROM (
$readings
  ) AS reading
)
UNION ALL
SELECT 'known request', $slice, client_request_id, databricks_request_id
FROM $payload
WHERE request_time <= CAST(:as_of AS TIMESTAMP)$days
  AND status_code = 200
  AND client_request_id IS NOT NULL
  AND databricks_request_id IN (
    SELECT REGEXP_EXTRACT(prediction_id, '^(.+?)(#|$$)', 1)
    FROM $feedback
    WHERE timestamp <= CAST(:as_of AS TIMESTAMP)
  )
