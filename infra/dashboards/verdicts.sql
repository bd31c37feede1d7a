SELECT arm, outcome, COUNT(*) AS verdicts
FROM $labelled
WHERE blind AND outcome IS NOT NULL
GROUP BY arm, outcome
ORDER BY arm, outcome
