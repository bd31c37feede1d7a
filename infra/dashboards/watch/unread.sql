SELECT arm, waiting, oldest
FROM $waiting
ORDER BY arm
