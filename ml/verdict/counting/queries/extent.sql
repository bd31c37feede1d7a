-- When the last thing happened, to the second: the moment that the verdict is of. And how many
-- readings there are, with how many different probabilities the rows were sampled and split.
SELECT
  COUNT_IF(request_time IS NOT NULL OR readings > 0) AS observations,
  CAST(GREATEST(
    COALESCE(FLOOR(UNIX_MILLIS(MAX(request_time)) / 1000), 0),
    COALESCE(FLOOR(UNIX_MILLIS(MAX(decided_at)) / 1000), 0)
  ) + 1 AS BIGINT) AS last_second,
  COALESCE(SUM(readings), 0) AS readings,
  COUNT(DISTINCT sampling_probability) AS samplings,
  COUNT(DISTINCT propensity) AS propensities
FROM ($moments) AS logged
WHERE COALESCE(request_time, decided_at) >= CAST(:start AS TIMESTAMP)
  AND COALESCE(request_time, decided_at) <= CAST(:as_of AS TIMESTAMP)
