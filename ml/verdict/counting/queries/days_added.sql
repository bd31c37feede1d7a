-- Adds what was counted of some days.
INSERT INTO $days (experiment, $columns)
SELECT :experiment, $columns
FROM (
$rows
) AS counted_now
