-- The probabilities of the mature films that have a truth, to six decimals.
SELECT
  side,
  truth,
  sampling,
  ROUND(probability, 6) AS probability,
  COUNT(*) AS n
FROM cases
WHERE standing = 0 AND mature AND truth >= 0
GROUP BY side, truth, sampling, ROUND(probability, 6)
ORDER BY side, truth, sampling, probability
