-- The mature films of patients who are known, those of one kind together.
SELECT patient_key, MIN(day) AS day, propensity, side, called, truth, sampling, SUM(n) AS times
FROM cells
WHERE counted = 'units' AND mature
GROUP BY patient_key, propensity, side, called, truth, sampling
