SELECT COUNT_IF(verdict = 'ROLLBACK') AS rollbacks
FROM (
  SELECT
    verdict,
    row_number() OVER (
      PARTITION BY experiment_hash ORDER BY as_of DESC, recorded_at DESC
    ) AS recency
  FROM $verdicts
  WHERE endpoint_name = '$endpoint' AND challenger IN ($challengers)
) AS latest
WHERE recency = 1
