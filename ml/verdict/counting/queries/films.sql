-- The mature films by all that sensitivity and specificity depend on.
SELECT
  day,
  propensity,
  side,
  called,
  truth,
  sampling,
  COUNT(*) AS n
FROM cases
WHERE standing = 0 AND mature
GROUP BY day, propensity, side, called, truth, sampling
ORDER BY day, propensity, side, called, truth, sampling
