SELECT COUNT(*) AS rollbacks
FROM (
$rollbacks
) AS standing
