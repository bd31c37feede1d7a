-- What the readers of a prediction say together, out of their readings that stand. What they said
-- after the models' answer had been shown, and what a simulation said, is counted beside it.
SELECT
  $key,
  MIN(CASE WHEN NOT simulated THEN sampling_probability END) AS sampling_probability,
  CAST(COUNT_IF(counts AND ground_truth = '$positive') AS INT) AS said_pneumonia,
  CAST(COUNT_IF(counts AND ground_truth = '$negative') AS INT) AS said_normal,
  CAST(COUNT_IF(counts AND ground_truth NOT IN ('$positive', '$negative')) AS INT) AS said_neither,
  CAST(COUNT_IF(NOT blind AND NOT simulated) AS INT) AS not_blind,
  CAST(COUNT_IF(NOT blind AND NOT simulated AND said_blind IS NOT NULL) AS INT) AS said_again,
  CAST(COUNT_IF(NOT blind AND NOT simulated AND said_blind <> ground_truth) AS INT)
    AS changed_mind,
  CAST(COUNT_IF(simulated) AS INT) AS simulations,
  MIN(CASE WHEN counts THEN decided_at END) AS first_read_at,
  MIN(CASE WHEN NOT simulated THEN decided_at END) AS first_said_at
FROM (
  SELECT *, blind AND NOT simulated AS counts
  FROM (
$standing
  ) AS standing
) AS reading
GROUP BY $key
