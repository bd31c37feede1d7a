-- The readings that readers have sent. One that names a request by Databricks' id, though the client
-- had given an id of its own, is of the prediction that has the client's.
SELECT
  COALESCE(known.prediction_id, feedback.prediction_id) AS prediction_id,
  feedback.radiologist_id,
  feedback.ground_truth,
  feedback.confidence,
  feedback.timestamp AS decided_at,
  feedback.written_at,
  feedback.feedback_id,
  feedback.supersedes,
  COALESCE(feedback.blind, TRUE) AS blind,
  COALESCE(feedback.feedback_source, '') = '$simulation' AND NOT $simulations_count AS simulated,
  feedback.sampling_probability
FROM $feedback AS feedback
LEFT JOIN (
  SELECT
    prediction_id,
    CONCAT(
      databricks_request_id,
      CASE WHEN image_index = 0 THEN '' ELSE CONCAT('#', CAST(image_index AS STRING)) END
    ) AS by_databricks
  FROM $predictions
  WHERE client_request_id IS NOT NULL AND answer_number = 1
) AS known
  ON known.by_databricks = feedback.prediction_id
