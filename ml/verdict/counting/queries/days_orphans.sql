-- The cells of readings whose prediction no day has.
SELECT
  $columns
FROM (
$orphans
) AS orphan
