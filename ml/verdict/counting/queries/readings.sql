-- How often readers of one film said what.
SELECT
  said_pneumonia,
  said_normal,
  said_neither,
  COUNT(*) AS n
FROM cases
WHERE said_pneumonia + said_normal + said_neither > 1
GROUP BY said_pneumonia, said_normal, said_neither
ORDER BY said_pneumonia, said_normal, said_neither
