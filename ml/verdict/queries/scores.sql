-- The probabilities of the mature films that have a truth, to so many decimals that a result stays small.
SELECT
  side,
  truth,
  sampling,
  ROUND(probability, CAST(:decimals AS INT)) AS probability,
  COUNT(*) AS n
FROM cases
WHERE standing = 0 AND mature AND truth >= 0
GROUP BY side, truth, sampling, ROUND(probability, CAST(:decimals AS INT))
ORDER BY side, truth, sampling, probability
