-- What became of every row of the log and of every verdict; nothing is left out unseen.
SELECT
  standing,
  COALESCE(side, -1) AS side,
  COALESCE(mature, FALSE) AS mature,
  truth,
  COUNT(*) AS n,
  SUM(not_blind) AS not_blind
FROM cases
GROUP BY standing, COALESCE(side, -1), COALESCE(mature, FALSE), truth
ORDER BY standing, side, mature, truth
