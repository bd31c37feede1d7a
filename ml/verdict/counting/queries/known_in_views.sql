-- What readers had said until the moment that is judged.
SELECT *
FROM (
$readings
) AS given
WHERE decided_at <= CAST(:as_of AS TIMESTAMP)
