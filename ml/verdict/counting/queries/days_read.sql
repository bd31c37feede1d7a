-- The predictions of some days that readers have said something of.
SELECT
  'known prediction' AS counted,
  $slice AS slice,
  prediction_id
FROM (
$answers
) AS answer
WHERE answer_number = 1 AND probability IS NOT NULL AND prediction_id IN (
  SELECT prediction_id
  FROM $feedback
  WHERE timestamp <= CAST(:as_of AS TIMESTAMP)
)
