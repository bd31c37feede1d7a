-- The mature films of patients who are known, those of one kind together.
SELECT patient_key, MIN(day) AS day, propensity, side, called, truth, sampling, COUNT(*) AS times
FROM cases
WHERE standing = 0 AND mature AND patient_key IS NOT NULL
GROUP BY patient_key, propensity, side, called, truth, sampling
