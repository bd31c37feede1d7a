-- One row per answer of the endpoint, with what its readers agree on.
-- `side` is 0 for the champion, 1 for the challenger, and NULL for anything else. `standing` and
-- `truth` are those of ml.verdict.counting.tally. The observations are written out where they are
-- read, so that each reading takes the columns that it needs.
WITH read_again AS (
  -- Few answers have several readers. Only those are put together, which spares the others the
  -- most expensive step.
  SELECT prediction_id
  FROM ($observations) AS observation
  WHERE ground_truth IS NOT NULL
  GROUP BY prediction_id
  HAVING COUNT(*) > 1
),
answered AS (
  SELECT
    observation.request_time, arm, propensity, answer_number, image_index, status_code,
    execution_duration_ms, probability,
    CASE WHEN counts THEN sampling_probability END AS sampling_probability,
    CASE WHEN counts AND ground_truth = '$positive' THEN 1 ELSE 0 END AS said_pneumonia,
    CASE WHEN counts AND ground_truth = '$negative' THEN 1 ELSE 0 END AS said_normal,
    CASE
      WHEN counts AND ground_truth NOT IN ('$positive', '$negative') THEN 1 ELSE 0
    END AS said_neither,
    CASE WHEN ground_truth IS NOT NULL AND NOT blind THEN 1 ELSE 0 END AS not_blind,
    CASE WHEN counts AND ground_truth IS NOT NULL THEN decided_at END AS first_read_at,
    chosen, patient_key$subgroups
  FROM ($observations) AS observation
  LEFT JOIN read_again ON read_again.prediction_id = observation.prediction_id
  WHERE read_again.prediction_id IS NULL
  UNION ALL
  SELECT
    ANY_VALUE(request_time), ANY_VALUE(arm), ANY_VALUE(propensity), answer_number,
    ANY_VALUE(image_index), ANY_VALUE(status_code), ANY_VALUE(execution_duration_ms),
    ANY_VALUE(probability), MIN(CASE WHEN counts THEN sampling_probability END),
    CAST(COUNT_IF(counts AND ground_truth = '$positive') AS INT),
    CAST(COUNT_IF(counts AND ground_truth = '$negative') AS INT),
    CAST(COUNT_IF(counts AND ground_truth NOT IN ('$positive', '$negative')) AS INT),
    CAST(COUNT_IF(ground_truth IS NOT NULL AND NOT blind) AS INT),
    MIN(CASE WHEN counts AND ground_truth IS NOT NULL THEN decided_at END),
    COALESCE(MAX(chosen), FALSE), MIN(patient_key)$any_subgroups
  FROM ($observations) AS observation
  JOIN read_again ON read_again.prediction_id = observation.prediction_id
  GROUP BY observation.prediction_id, answer_number
)
SELECT
  CAST(FLOOR(UNIX_MILLIS(request_time) / 86400000) AS INT) AS day,
  CAST(CASE arm WHEN :champion THEN 0 WHEN :challenger THEN 1 END AS TINYINT) AS side,
  CAST(CASE
    WHEN arm IS NULL AND request_time IS NULL THEN 7
    WHEN arm IS NULL THEN 6
    WHEN arm NOT IN (:champion, :challenger) THEN 5
    WHEN answer_number > 1 THEN 4
    WHEN image_index > 0 THEN 3
    WHEN probability IS NULL THEN 2
    WHEN propensity <= 0 OR propensity >= 1 THEN 1
    ELSE 0
  END AS TINYINT) AS standing,
  request_time <= CAST(:mature_until AS TIMESTAMP) AS mature,
  propensity,
  image_index,
  status_code,
  execution_duration_ms,
  probability,
  probability >= CAST(:threshold AS DOUBLE) AS called,
  COALESCE(
    sampling_probability,
    CASE
      WHEN probability >= CAST(:threshold AS DOUBLE) THEN CAST(:review_share AS DOUBLE)
      ELSE CAST(:audit_share AS DOUBLE)
    END
  ) AS sampling,
  said_pneumonia,
  said_normal,
  said_neither,
  not_blind,
  CAST(CASE
    WHEN said_pneumonia > said_normal + said_neither THEN 1
    WHEN said_normal > said_pneumonia + said_neither THEN 0
    WHEN said_pneumonia + said_normal + said_neither > 0 THEN -1
    WHEN chosen OR COALESCE(
      sampling_probability,
      CASE
        WHEN probability >= CAST(:threshold AS DOUBLE) THEN CAST(:review_share AS DOUBLE)
        ELSE CAST(:audit_share AS DOUBLE)
      END
    ) >= 1 THEN -2
    ELSE -3
  END AS TINYINT) AS truth,
  CAST(
    FLOOR((UNIX_MILLIS(first_read_at) - UNIX_MILLIS(request_time)) / 3600000) AS BIGINT
  ) AS lag_hours,
  patient_key$subgroups
FROM answered
