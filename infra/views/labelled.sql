-- One row per prediction and reader with what the reader said blind, which is the truth that counts,
-- and one with `blind` false for what the reader said when the models' answer had been shown.
-- INDETERMINATE is a reading, but no label: it has no outcome, and takes the place of an earlier
-- label. A reading that came before its prediction was logged joins as soon as that is there.
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
  reading.ground_truth,
  reading.radiologist_id,
  reading.confidence,
  reading.decided_at,
  reading.blind,
  reading.sampling_probability,
  CASE
    WHEN reading.ground_truth NOT IN ('$negative', '$positive') THEN NULL
    WHEN prediction.predicted_label = '$positive' AND reading.ground_truth = '$positive' THEN 'TP'
    WHEN prediction.predicted_label = '$positive' THEN 'FP'
    WHEN reading.ground_truth = '$positive' THEN 'FN'
    ELSE 'TN'
  END AS outcome,
  context.patient_key,
  context.site,
  context.device_maker,
  context.device_model,
  context.view,
  context.age_band,
  context.sex
FROM $predictions AS prediction
JOIN (
$standing
) AS reading
  ON reading.prediction_id = prediction.prediction_id
LEFT JOIN $contexts AS context
  ON context.prediction_id = prediction.prediction_id
WHERE prediction.answer_number = 1 AND NOT reading.simulated
