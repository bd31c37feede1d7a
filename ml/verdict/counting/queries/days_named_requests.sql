-- The requests that readers named by Databricks' id, by both ids, of all days that were counted.
SELECT databricks_request_id, prediction_id AS client_request_id, 200 AS status_code
FROM $days
WHERE experiment = :experiment AND counted = 'known request'
