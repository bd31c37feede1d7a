-- What the kept days say of themselves: how many rows were there when they were counted, and which
-- have answers of unknown arms.
SELECT counted, slice, n, digest
FROM $days
WHERE experiment = :experiment
  AND (
    counted LIKE 'known %' AND counted NOT IN ('known prediction', 'known request')
    OR counted = 'standings' AND standing = $unknown
  )
