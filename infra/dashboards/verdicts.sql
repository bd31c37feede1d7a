SELECT arm, outcome, COUNT(*) AS verdicts
FROM $labelled
GROUP BY arm, outcome
ORDER BY arm, outcome
