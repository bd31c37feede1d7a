-- One row per answer of a file, with what its readers say as of a moment. The observations are
-- written out where they are read, so that each reading takes the columns that it needs.
WITH read_again AS (
  -- Few answers have several readings. Only those are put together, which spares the others the
  -- most expensive step. They may be found by a hash of their id, which takes less: an answer
  -- whose hash is another's too is put together out of its one reading.
  SELECT $identity AS identity
  FROM ($observations) AS observation
  WHERE ground_truth IS NOT NULL AND prediction_id IS NOT NULL
  GROUP BY $identity
  HAVING COUNT(*) > 1
),
again AS (
  SELECT observation.*
  FROM ($observations) AS observation
  JOIN read_again ON read_again.identity = $identity
)
SELECT
  request_time, arm, propensity, answer_number, image_index, status_code, execution_duration_ms,
  probability,
  CASE WHEN known AND NOT simulated OR ground_truth IS NULL THEN sampling_probability END
    AS sampling_probability,
  CASE WHEN counts AND ground_truth = '$positive' THEN 1 ELSE 0 END AS said_pneumonia,
  CASE WHEN counts AND ground_truth = '$negative' THEN 1 ELSE 0 END AS said_normal,
  CASE WHEN counts AND ground_truth NOT IN ('$positive', '$negative') THEN 1 ELSE 0 END
    AS said_neither,
  CASE WHEN known AND NOT blind AND NOT simulated THEN 1 ELSE 0 END AS not_blind,
  0 AS said_again,
  0 AS changed_mind,
  CASE WHEN known AND simulated THEN 1 ELSE 0 END AS simulations,
  CASE WHEN counts THEN decided_at END AS first_read_at,
  CASE WHEN known AND NOT simulated THEN decided_at END AS first_said_at,
  chosen,
  patient_key$subgroups
FROM (
  SELECT observation.*, known AND blind AND NOT simulated AS counts
  FROM ($observations) AS observation
  LEFT JOIN read_again ON read_again.identity = $identity
  WHERE read_again.identity IS NULL
) AS once
UNION ALL
SELECT
  request_time, arm, propensity, answer.answer_number, image_index, status_code,
  execution_duration_ms, probability, reading.sampling_probability,
  COALESCE(said_pneumonia, 0), COALESCE(said_normal, 0), COALESCE(said_neither, 0),
  COALESCE(not_blind, 0), COALESCE(said_again, 0), COALESCE(changed_mind, 0),
  COALESCE(simulations, 0), first_read_at, first_said_at, chosen, patient_key$subgroups
FROM (
  SELECT
    prediction_id, answer_number,
    ANY_VALUE(request_time) AS request_time, ANY_VALUE(arm) AS arm,
    ANY_VALUE(propensity) AS propensity, ANY_VALUE(image_index) AS image_index,
    ANY_VALUE(status_code) AS status_code,
    ANY_VALUE(execution_duration_ms) AS execution_duration_ms,
    ANY_VALUE(probability) AS probability, MAX(chosen) AS chosen,
    MIN(patient_key) AS patient_key$any_subgroups
  FROM again
  GROUP BY prediction_id, answer_number
) AS answer
LEFT JOIN (
$summary
) AS reading
  ON reading.prediction_id = answer.prediction_id
  AND reading.answer_number = answer.answer_number
