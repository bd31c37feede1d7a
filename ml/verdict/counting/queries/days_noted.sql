-- Notes how many rows there were of each day, and how the day was counted.
INSERT INTO $days (experiment, counted, slice, n, digest)
SELECT :experiment, it.counted, it.slice, it.n, it.digest
FROM (
  SELECT EXPLODE(FROM_JSON(
    :rows, 'ARRAY<STRUCT<counted: STRING, slice: INT, n: BIGINT, digest: STRING>>'
  )) AS it
) AS known
