-- How often each arm was right, by version: counts, and nothing that a threshold would change later.
-- A prediction counts once, however many readers saw it; where their verdicts differ it is disputed
-- and counts for neither side. Coverage says how much of the arm's work the counts speak for:
-- readers who look at some answers rather than others make the counts flatter or harsher.
SELECT
  answered.arm,
  answered.model_version,
  answered.predictions,
  COALESCE(judged.labelled, 0) AS labelled,
  COALESCE(judged.disputed, 0) AS disputed,
  COALESCE(judged.labelled, 0) / answered.predictions AS coverage,
  COALESCE(judged.true_positives, 0) AS true_positives,
  COALESCE(judged.false_positives, 0) AS false_positives,
  COALESCE(judged.true_negatives, 0) AS true_negatives,
  COALESCE(judged.false_negatives, 0) AS false_negatives
FROM (
  SELECT arm, model_version, COUNT(*) AS predictions
  FROM $predictions
  WHERE answer_number = 1
  GROUP BY arm, model_version
) AS answered
LEFT JOIN (
  SELECT
    arm,
    model_version,
    COUNT(*) AS labelled,
    COUNT_IF(first_outcome <> last_outcome) AS disputed,
    COUNT_IF(first_outcome = 'TP' AND last_outcome = 'TP') AS true_positives,
    COUNT_IF(first_outcome = 'FP' AND last_outcome = 'FP') AS false_positives,
    COUNT_IF(first_outcome = 'TN' AND last_outcome = 'TN') AS true_negatives,
    COUNT_IF(first_outcome = 'FN' AND last_outcome = 'FN') AS false_negatives
  FROM (
    SELECT
      prediction_id,
      arm,
      model_version,
      MIN(outcome) AS first_outcome,
      MAX(outcome) AS last_outcome
    FROM $labelled
    WHERE blind AND outcome IS NOT NULL
    GROUP BY prediction_id, arm, model_version
  ) AS by_prediction
  GROUP BY arm, model_version
) AS judged
  ON judged.arm = answered.arm AND judged.model_version = answered.model_version
