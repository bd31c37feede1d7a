-- One row per logged request: which arm answered it, and how fast.
-- One that was sent to compare arms, a replay's or a shadow's, is no traffic and has no row.
-- Serving logs the id of a served entity only; its name and version are in a system table, with a
-- row for each configuration of the endpoint. The one that counts was the last before the request.
-- A request has one time; it partitions too, so that who asks for some days reads those alone.
SELECT
  databricks_request_id,
  client_request_id,
  request_time,
  status_code,
  execution_duration_ms,
  requester,
  endpoint_name,
  arm,
  model_name,
  model_version,
  response
FROM (
  SELECT
    payload.databricks_request_id,
    payload.client_request_id,
    payload.request_time,
    payload.status_code,
    payload.execution_duration_ms,
    payload.requester,
    payload.response,
    entity.endpoint_name,
    entity.served_entity_name AS arm,
    entity.entity_name AS model_name,
    CAST(entity.entity_version AS INT) AS model_version,
    row_number() OVER (
      PARTITION BY payload.databricks_request_id, payload.request_time
      ORDER BY
        CASE WHEN entity.change_time <= payload.request_time THEN 0 ELSE 1 END,
        abs(unix_timestamp(payload.request_time) - unix_timestamp(entity.change_time)),
        entity.endpoint_config_version DESC
    ) AS nearest
  FROM $payload AS payload
  LEFT JOIN system.serving.served_entities AS entity
    ON entity.served_entity_id = payload.served_entity_id
) AS matched
WHERE nearest = 1
  AND (
    client_request_id IS NULL
    OR NOT (client_request_id LIKE '$replay_mark%' OR client_request_id LIKE '$shadow_mark%')
  )
