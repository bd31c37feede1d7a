-- The experiment's part of the rows, each with the propensity that its split had at its time.
SELECT
  prediction_id,
  request_time,
  arm,
  answer_number,
  image_index,
  status_code,
  execution_duration_ms,
  probability,
  COALESCE(
    propensity,
    CASE
      $splits
    END
  ) AS propensity,
  ground_truth,
  decided_at,
  blind,
  blind AND (decided_at IS NULL OR decided_at <= CAST(:as_of AS TIMESTAMP)) AS counts,
  sampling_probability,
  chosen,
  patient_key$subgroups
FROM ($rows) AS logged
WHERE request_time >= CAST(:start AS TIMESTAMP) AND request_time <= CAST(:as_of AS TIMESTAMP)
  OR request_time IS NULL AND decided_at >= CAST(:start AS TIMESTAMP)
    AND decided_at <= CAST(:as_of AS TIMESTAMP)
