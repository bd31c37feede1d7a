-- One row per image that an arm answered: a request of several images has several.
-- The id is the client's where it gave one; behind the first image of a request, '#' and the
-- image's position follow. A failed request, and one too large to be logged, has no prediction.
-- A client that sends an id again, because it does not know whether it was answered, may get two
-- answers, perhaps of two arms. It has the last one: `answer_number` counts from the last, which is 1.
SELECT
  prediction_id,
  row_number() OVER (
    PARTITION BY prediction_id
    ORDER BY request_time DESC, databricks_request_id DESC
  ) AS answer_number,
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
FROM (
  SELECT
    CONCAT(
      COALESCE(client_request_id, databricks_request_id),
      CASE WHEN image_index = 0 THEN '' ELSE CONCAT('#', CAST(image_index AS STRING)) END
    ) AS prediction_id,
    databricks_request_id,
    client_request_id,
    image_index,
    request_time,
    endpoint_name,
    arm,
    model_name,
    model_version,
    CASE WHEN size(answer) = 1 THEN answer[0] END AS probability,
    execution_duration_ms
  FROM $requests
  LATERAL VIEW posexplode(
    from_json(response, 'predictions ARRAY<ARRAY<DOUBLE>>').predictions
  ) answers AS image_index, answer
  WHERE status_code = 200
) AS answered
WHERE probability IS NOT NULL
