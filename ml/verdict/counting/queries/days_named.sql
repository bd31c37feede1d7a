-- The days of requests that something has been said of on given days, or that share their id with
-- a request of the days that are counted anyway. Of the log, ids and times alone are read.
SELECT DISTINCT $slice AS slice
FROM (
  SELECT request_time, client_request_id AS id
  FROM $payload
  WHERE request_time <= CAST(:as_of AS TIMESTAMP)
  UNION ALL
  SELECT request_time, databricks_request_id
  FROM $payload
  WHERE request_time <= CAST(:as_of AS TIMESTAMP)
) AS logged
WHERE id IN (
  SELECT prediction_id
  FROM ($said) AS said
  UNION ALL
  SELECT REGEXP_EXTRACT(prediction_id, '(.*)#', 1)
  FROM ($said) AS said
  UNION ALL
  SELECT COALESCE(client_request_id, databricks_request_id)
  FROM $payload
  WHERE request_time <= CAST(:as_of AS TIMESTAMP)$days
)
