-- When answers were asked for and when readers said something, one row for each reading.
SELECT
  request_time,
  decided_at,
  CASE WHEN ground_truth IS NULL THEN 0 ELSE 1 END AS readings,
  sampling_probability,
  propensity
FROM ($rows) AS logged
