SELECT arm, model_version, measure, split_by, part, observed, psi
FROM $drift
ORDER BY psi DESC, arm, measure, split_by, part
