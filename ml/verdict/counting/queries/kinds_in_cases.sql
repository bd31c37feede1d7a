-- The mature films of patients who are known, those of one kind together: of all films, and of those
-- with one value of a column.
SELECT
  $what AS what,
  patient_key,
  COALESCE(CAST(NULL AS STRING)$values) AS subgroup,
  MIN(day) AS day,
  propensity,
  side,
  called,
  truth,
  sampling,
  COUNT(*) AS times,
  SUM($probability) AS probabilities
FROM (
  SELECT
    patient_key,
    day,
    propensity,
    side,
    called,
    truth,
    sampling,
    CASE WHEN truth >= 0 THEN probability END AS probability$subgroups
  FROM cases
  WHERE standing = 0 AND mature AND patient_key IS NOT NULL
) AS film
GROUP BY GROUPING SETS (
  (patient_key, propensity, side, called, truth, sampling)$sets
)
