-- What the split has drawn: every request once, whether it was answered or not.
SELECT
  day,
  propensity,
  side,
  COUNT(*) AS requests,
  COUNT_IF(status_code <> 200) AS failures
FROM cases
WHERE side IS NOT NULL AND image_index = 0
GROUP BY day, propensity, side
ORDER BY day, propensity, side
