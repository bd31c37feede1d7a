-- The cells of all days, with what has become mature since they were counted, and those of readings
-- whose prediction no day has.
SELECT
  $columns,
  COALESCE(mature OR (slice + 1) * 86400 <= UNIX_TIMESTAMP(CAST(:mature_until AS TIMESTAMP)), FALSE)
    AS mature
FROM $days
WHERE experiment = :experiment AND counted NOT LIKE 'known %'
UNION ALL
SELECT
  $columns,
  mature
FROM (
$orphans
) AS orphan
