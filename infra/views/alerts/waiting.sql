SELECT arm, waiting, oldest
FROM $waiting
