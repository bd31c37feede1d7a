-- What readers say of predictions that no day has.
SELECT
  CAST(NULL AS TIMESTAMP) AS request_time,
  CAST(NULL AS STRING) AS arm,
  CAST(NULL AS DOUBLE) AS propensity,
  1 AS answer_number,
  0 AS image_index,
  CAST(NULL AS INT) AS status_code,
  CAST(NULL AS BIGINT) AS execution_duration_ms,
  CAST(NULL AS DOUBLE) AS probability,
  sampling_probability,
  said_pneumonia,
  said_normal,
  said_neither,
  not_blind,
  said_again,
  changed_mind,
  simulations,
  first_read_at,
  first_said_at,
  CAST(NULL AS BOOLEAN) AS chosen,
  CAST(NULL AS STRING) AS patient_key$subgroups
FROM (
$summary
) AS reading
LEFT JOIN (
  SELECT prediction_id AS known_id
  FROM $days
  WHERE experiment = :experiment AND counted = 'known prediction'
) AS known
  ON known.known_id = reading.prediction_id
WHERE known_id IS NULL
