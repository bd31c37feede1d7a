-- How long verdicts took, in hours from the request.
SELECT
  side,
  lag_hours AS hours,
  COUNT(*) AS n
FROM cases
WHERE standing = 0 AND lag_hours IS NOT NULL
GROUP BY side, lag_hours
ORDER BY side, lag_hours
