-- The rows of a workspace: every request of the endpoint with its answers and their verdicts, and
-- the verdicts whose prediction is not in the log. Replayed requests named their arm: nothing was
-- drawn for them.
SELECT
  COALESCE(prediction.prediction_id, request.databricks_request_id) AS prediction_id,
  request.request_time AS request_time,
  request.arm AS arm,
  COALESCE(prediction.answer_number, 1) AS answer_number,
  COALESCE(prediction.image_index, 0) AS image_index,
  request.status_code AS status_code,
  request.execution_duration_ms AS execution_duration_ms,
  prediction.probability AS probability,
  verdict.ground_truth AS ground_truth,
  verdict.radiologist_id AS radiologist_id,
  verdict.decided_at AS decided_at$labelled
FROM $requests AS request
LEFT JOIN $predictions AS prediction
  ON prediction.databricks_request_id = request.databricks_request_id
LEFT JOIN $labelled_view AS verdict
  ON verdict.prediction_id = prediction.prediction_id AND prediction.answer_number = 1
WHERE request.client_request_id IS NULL OR request.client_request_id NOT LIKE '$replay%'
UNION ALL
SELECT
  verdict.prediction_id, NULL, NULL, 1, 0, NULL, NULL, NULL,
  verdict.ground_truth, verdict.radiologist_id, verdict.timestamp$orphaned
FROM $feedback AS verdict
LEFT JOIN $predictions AS prediction ON prediction.prediction_id = verdict.prediction_id
WHERE prediction.prediction_id IS NULL
