-- The mature films, read or not, by all that sensitivity and specificity depend on. Those whose
-- patient is known (`keyed`) are counted by patient too, in units.sql.
SELECT
  day,
  propensity,
  side,
  called,
  truth,
  sampling,
  patient_key IS NOT NULL AS keyed,
  COUNT(*) AS n
FROM cases
WHERE standing = 0 AND mature
GROUP BY day, propensity, side, called, truth, sampling, patient_key IS NOT NULL
ORDER BY day, propensity, side, called, truth, sampling, keyed
