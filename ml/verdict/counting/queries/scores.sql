-- The probabilities of the mature films that have a truth, to so many decimals that a result stays small.
-- Near 0 and near 1 they have more: on the scale of the logit, on which calibration is judged, the
-- distance from there is what counts.
SELECT
  side,
  truth,
  propensity,
  sampling,
  probability,
  COUNT(*) AS n
FROM (
  SELECT
    side,
    truth,
    propensity,
    sampling,
    CASE
      WHEN LEAST(probability, 1 - probability) < 0.0001
        THEN ROUND(probability, CAST(:decimals AS INT) + 4)
      WHEN LEAST(probability, 1 - probability) < 0.01
        THEN ROUND(probability, CAST(:decimals AS INT) + 2)
      ELSE ROUND(probability, CAST(:decimals AS INT))
    END AS probability
  FROM cases
  WHERE standing = 0 AND mature AND truth >= 0
) AS rounded
GROUP BY side, truth, propensity, sampling, probability
ORDER BY side, truth, propensity, sampling, probability
