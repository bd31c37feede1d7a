-- Of challengers that have traffic: none by the file, or none of enough requests since the brake, is
-- where the verdict has led already.
SELECT COUNT(*) AS rollbacks
FROM (
$rollbacks
) AS standing
JOIN $health AS health
  ON health.arm = standing.challenger
WHERE
  health.declared_share > 0
  AND (health.requests > 0 OR COALESCE(health.requests_of_all, 0) < $minimum_requests)
