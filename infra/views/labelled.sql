-- One row per prediction and reader: the prediction, and the reader's latest verdict on it.
-- A verdict that the same reader has superseded is not the latest, whatever the clocks said; one
-- that says INDETERMINATE is a verdict, but no label, and takes the place of an earlier label.
-- A verdict that came before its prediction was logged joins as soon as that is there.
-- A client that sent the same id twice has two predictions of that id; the last answer counts,
-- because it is the one that the client has.
SELECT
  prediction.prediction_id,
  prediction.databricks_request_id,
  prediction.request_time,
  prediction.arm,
  prediction.model_name,
  prediction.model_version,
  prediction.probability,
  prediction.predicted_label,
  verdict.ground_truth,
  verdict.radiologist_id,
  verdict.confidence,
  verdict.timestamp AS decided_at,
  verdict.blind,
  verdict.sampling_probability,
  CASE
    WHEN prediction.predicted_label = '$positive' AND verdict.ground_truth = '$positive' THEN 'TP'
    WHEN prediction.predicted_label = '$positive' THEN 'FP'
    WHEN verdict.ground_truth = '$positive' THEN 'FN'
    ELSE 'TN'
  END AS outcome
FROM $predictions AS prediction
JOIN (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY prediction_id, radiologist_id
      ORDER BY timestamp DESC, written_at DESC, feedback_id DESC
    ) AS verdict_number
  FROM $feedback AS given
  WHERE NOT EXISTS (
    SELECT 1
    FROM $feedback AS correction
    WHERE correction.supersedes = given.feedback_id
      AND correction.radiologist_id = given.radiologist_id
      AND correction.prediction_id = given.prediction_id
  )
) AS verdict
  ON verdict.prediction_id = prediction.prediction_id
WHERE prediction.answer_number = 1
  AND verdict.verdict_number = 1
  AND verdict.ground_truth IN ('$negative', '$positive')
