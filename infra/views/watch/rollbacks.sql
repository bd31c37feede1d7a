-- The verdicts ROLLBACK on challengers of the declared split that stand: of each experiment the latest
-- one counts.
SELECT experiment, experiment_hash, challenger, as_of, labels
FROM (
  SELECT
    experiment,
    experiment_hash,
    challenger,
    as_of,
    labels,
    verdict,
    row_number() OVER (
      PARTITION BY experiment_hash ORDER BY as_of DESC, recorded_at DESC
    ) AS recency
  FROM $verdicts
  WHERE
    endpoint_name = '$endpoint'
    AND champion = '$champion'
    AND challenger IN ($challengers)
) AS latest
WHERE recency = 1 AND verdict = 'ROLLBACK'
