-- The mature films of patients who are known, those of one kind together: of all films, and of those
-- with one value of a column.
SELECT
  counted AS what,
  patient_key,
  subgroup,
  MIN(day) AS day,
  propensity,
  side,
  called,
  truth,
  sampling,
  SUM(n) AS times,
  SUM(n * $probability) AS probabilities
FROM cells
WHERE (counted = 'units' OR counted LIKE 'patients by %') AND mature
GROUP BY counted, patient_key, subgroup, propensity, side, called, truth, sampling
