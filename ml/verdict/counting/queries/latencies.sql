-- How long the models took, in milliseconds.
SELECT
  side,
  execution_duration_ms AS milliseconds,
  COUNT(*) AS n
FROM cases
WHERE side IS NOT NULL AND image_index = 0 AND status_code = 200
  AND execution_duration_ms IS NOT NULL
GROUP BY side, execution_duration_ms
ORDER BY side, execution_duration_ms
