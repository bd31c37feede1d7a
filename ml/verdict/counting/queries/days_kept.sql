-- The cells of all days, with what has become mature since they were counted.
SELECT
  $columns,
  COALESCE(mature OR (slice + 1) * 86400 <= UNIX_TIMESTAMP(CAST(:mature_until AS TIMESTAMP)), FALSE)
    AS mature
FROM $days
WHERE experiment = :experiment AND counted NOT LIKE 'known %'
