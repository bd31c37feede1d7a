-- What the split has drawn, by one column. A request without an answer has no value of it.
SELECT
  COALESCE(CAST($column AS STRING), '') AS subgroup,
  propensity,
  side,
  COUNT(*) AS requests
FROM cases
WHERE side IS NOT NULL AND image_index = 0
GROUP BY COALESCE(CAST($column AS STRING), ''), propensity, side
ORDER BY subgroup, propensity, side
