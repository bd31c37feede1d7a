-- One row per answer of the endpoint, with what its readers agree on.
-- `side` is 0 for the champion, 1 for the challenger, and NULL for anything else. `standing` and
-- `truth` are those of ml.verdict.counting.tally.
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
  called,
  sampling,
  said_pneumonia,
  said_normal,
  said_neither,
  not_blind,
  said_again,
  changed_mind,
  simulations,
  CAST(CASE
    WHEN said_pneumonia > said_normal + said_neither THEN 1
    WHEN said_normal > said_pneumonia + said_neither THEN 0
    WHEN said_pneumonia + said_normal + said_neither > 0 THEN -1
    WHEN chosen OR sampling >= 1 THEN -2
    ELSE -3
  END AS TINYINT) AS truth,
  CAST(
    FLOOR((UNIX_MILLIS(first_read_at) - UNIX_MILLIS(request_time)) / 3600000) AS BIGINT
  ) AS lag_hours,
  patient_key$subgroups$further
FROM (
  SELECT
    request_time,
    arm,
    COALESCE(
      propensity,
      CASE
        $splits
      END
    ) AS propensity,
    answer_number,
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
    said_again,
    changed_mind,
    simulations,
    first_read_at,
    chosen,
    patient_key$subgroups
  FROM (
$answered
  ) AS answered
  WHERE request_time IS NOT NULL OR first_said_at >= CAST(:start AS TIMESTAMP)
) AS weighed
