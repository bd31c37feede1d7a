SELECT
  arm,
  model_version,
  predictions,
  labelled,
  coverage,
  disputed,
  true_positives,
  false_positives,
  true_negatives,
  false_negatives,
  try_divide(true_positives, true_positives + false_negatives) AS sensitivity,
  try_divide(true_negatives, true_negatives + false_positives) AS specificity
FROM $outcomes
ORDER BY arm, model_version
