-- One row per image of a logged request, and one of a request whose answer the log does not have:
-- it failed, or was too large. `probability` is NULL where there is none.
-- The id is the client's where it gave one and was answered; behind the first image of a request,
-- '#' and the image's position follow. A client that sends an id twice gets two answers, perhaps of
-- two arms; it has the last one, and `answer_number` counts from there.
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
FROM (
  SELECT
    CONCAT(
      CASE
        WHEN probability IS NULL THEN databricks_request_id
        ELSE COALESCE(client_request_id, databricks_request_id)
      END,
      CASE WHEN image_index = 0 THEN '' ELSE CONCAT('#', CAST(image_index AS STRING)) END
    ) AS prediction_id,
    *
  FROM (
    SELECT
      databricks_request_id,
      client_request_id,
      image_index,
      request_time,
      status_code,
      endpoint_name,
      arm,
      model_name,
      model_version,
      $found_probability AS probability,
      execution_duration_ms
    FROM (
      SELECT
        *,
        CASE
          WHEN status_code = 200
            THEN from_json(response, 'predictions ARRAY<$answer_type>').predictions
        END AS given
      FROM $requests
    ) AS request
    LATERAL VIEW posexplode(
      CASE WHEN size(given) > 0 THEN given ELSE array(CAST(NULL AS $answer_type)) END
    ) answers AS image_index, answer
  ) AS exploded
) AS named
