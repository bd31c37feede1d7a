-- The experiment's part of the rows of a file.
SELECT
  *,
  ground_truth IS NOT NULL AND (decided_at IS NULL OR decided_at <= CAST(:as_of AS TIMESTAMP))
    AS known,
  COALESCE(feedback_source, '') = '$simulation' AND NOT CAST(:simulations_count AS BOOLEAN)
    AS simulated
FROM ($rows) AS logged
WHERE request_time >= CAST(:start AS TIMESTAMP) AND request_time <= CAST(:as_of AS TIMESTAMP)
  OR request_time IS NULL
