SELECT as_of, experiment, challenger, verdict, labels
FROM $verdicts
WHERE endpoint_name = '$endpoint'
ORDER BY as_of DESC, experiment
