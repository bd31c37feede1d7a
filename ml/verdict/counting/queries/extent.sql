-- When the last thing happened, to the second: the moment that the verdict is of.
SELECT
  COUNT(*) AS observations,
  CAST(GREATEST(
    COALESCE(FLOOR(UNIX_MILLIS(MAX(request_time)) / 1000), 0),
    COALESCE(FLOOR(UNIX_MILLIS(MAX(decided_at)) / 1000), 0)
  ) + 1 AS BIGINT) AS last_second
FROM ($rows) AS logged
WHERE COALESCE(request_time, decided_at) >= CAST(:start AS TIMESTAMP)
