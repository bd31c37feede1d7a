SELECT request_time, prediction_id, arm, model_version, probability, outcome, radiologist_id
FROM $labelled
WHERE blind AND outcome IN ('FN', 'FP')
ORDER BY request_time DESC
LIMIT 100
