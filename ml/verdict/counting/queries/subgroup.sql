-- The mature films, by one column.
SELECT
  COALESCE(CAST($column AS STRING), '') AS subgroup,
  side,
  propensity,
  called,
  truth,
  sampling,
  COUNT(*) AS n
FROM cases
WHERE standing = 0 AND mature
GROUP BY COALESCE(CAST($column AS STRING), ''), side, propensity, called, truth, sampling
ORDER BY subgroup, side, propensity, called, truth, sampling
