-- One row per answer of a workspace's endpoint, with what its readers and its context say as of a
-- moment; readings whose prediction is not in the log by then have one for each prediction. The log
-- is gone through once. Replayed requests named their arm: nothing was drawn for them.
SELECT
  request_time,
  arm,
  CAST(NULL AS DOUBLE) AS propensity,
  COALESCE(answer_number, 1) AS answer_number,
  COALESCE(image_index, 0) AS image_index,
  status_code,
  execution_duration_ms,
  probability,
  CASE WHEN reading.prediction_id IS NULL THEN $share ELSE reading.sampling_probability END
    AS sampling_probability,
  COALESCE(said_pneumonia, 0) AS said_pneumonia,
  COALESCE(said_normal, 0) AS said_normal,
  COALESCE(said_neither, 0) AS said_neither,
  COALESCE(not_blind, 0) AS not_blind,
  COALESCE(said_again, 0) AS said_again,
  COALESCE(changed_mind, 0) AS changed_mind,
  COALESCE(simulations, 0) AS simulations,
  first_read_at,
  first_said_at,
  $chosen AS chosen,
  patient_key$subgroups
FROM (
$answers
) AS answer
LEFT JOIN $contexts AS context
  ON context.prediction_id = answer.prediction_id
  AND context.recorded_at <= CAST(:as_of AS TIMESTAMP)
$with_readings JOIN (
$summary
) AS reading
  ON reading.prediction_id = CASE
    WHEN answer.answer_number = 1 AND answer.probability IS NOT NULL THEN answer.prediction_id
  END
WHERE (client_request_id IS NULL OR client_request_id NOT LIKE '$replay%')
  AND (request_time >= CAST(:start AS TIMESTAMP) OR request_time IS NULL)
