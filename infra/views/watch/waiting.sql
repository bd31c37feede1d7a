-- One row per arm: answers $positive that are due for a reader and have none. All of these are read,
-- whatever the audit's share of the others is.
SELECT
  prediction.arm,
  COUNT(*) AS waiting,
  MIN(prediction.request_time) AS oldest
FROM $predictions AS prediction
LEFT JOIN $feedback AS reading
  ON reading.prediction_id = prediction.prediction_id
WHERE
  prediction.answer_number = 1
  AND prediction.predicted_label = '$positive'
  AND prediction.request_time < current_timestamp() - INTERVAL '$due_hours' HOUR
  AND reading.prediction_id IS NULL
GROUP BY prediction.arm
