-- The readings that readers have sent.
SELECT
  prediction_id,
  radiologist_id,
  ground_truth,
  confidence,
  timestamp AS decided_at,
  written_at,
  feedback_id,
  supersedes,
  COALESCE(blind, TRUE) AS blind,
  COALESCE(feedback_source, '') = '$simulation' AND NOT $simulations_count AS simulated,
  sampling_probability
FROM $feedback
