-- The requests that were logged until a moment, all or those of some days, by their ids.
SELECT databricks_request_id, client_request_id, status_code
FROM $payload
WHERE request_time <= CAST(:as_of AS TIMESTAMP)$days
