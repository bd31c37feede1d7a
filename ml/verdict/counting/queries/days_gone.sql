-- Takes out the days that are counted again, and that their requests are known.
DELETE FROM $days
WHERE experiment = :experiment
  AND counted NOT IN ('known readings', 'known contexts', 'known configurations')
  AND slice IN (
    SELECT CAST(day AS INT)
    FROM (SELECT EXPLODE(SPLIT(:days, ' ')) AS day) AS named
  )
