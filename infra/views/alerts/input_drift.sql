SELECT arm, measure, split_by, part, psi, observed
FROM $drift
WHERE measure <> 'probability' AND observed >= $minimum_films
