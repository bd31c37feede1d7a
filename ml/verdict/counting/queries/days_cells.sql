-- What is counted of the cases of some days, day by day, so that the days can be added up later:
-- films whether mature or not, the probabilities of those that have a truth as they are, and
-- patients by themselves, in all and by the values of the columns.
SELECT
  CASE
    WHEN GROUPING(of_standings) = 0 THEN 'standings'
    WHEN GROUPING(of_requests) = 0 THEN 'requests'
    WHEN GROUPING(of_films) = 0 THEN 'films'
    WHEN GROUPING(of_scores) = 0 THEN 'scores'
    WHEN GROUPING(of_latencies) = 0 THEN 'latencies'
    WHEN GROUPING(of_readings) = 0 THEN 'readings'
    WHEN GROUPING(of_lags) = 0 THEN 'lags'
    WHEN GROUPING(of_units) = 0 THEN 'units'$subgroup_names
  END AS counted,
  slice,
  day,
  side,
  standing,
  mature,
  propensity,
  called,
  truth,
  sampling,
  keyed,
  probability,
  milliseconds,
  hours,
  said_pneumonia,
  said_normal,
  said_neither,
  patient_key,
  $subgroup AS subgroup,
  $sums
FROM (
  SELECT
    standing >= 0 AS of_standings,
    CASE WHEN side IS NOT NULL AND image_index = 0 THEN TRUE END AS of_requests,
    CASE WHEN standing = 0 THEN TRUE END AS of_films,
    CASE WHEN standing = 0 AND truth >= 0 THEN TRUE END AS of_scores,
    CASE
      WHEN side IS NOT NULL AND image_index = 0 AND status_code = 200
        AND execution_duration_ms IS NOT NULL THEN TRUE
    END AS of_latencies,
    CASE WHEN said_pneumonia + said_normal + said_neither > 1 THEN TRUE END AS of_readings,
    CASE WHEN standing = 0 AND lag_hours IS NOT NULL THEN TRUE END AS of_lags,
    CASE WHEN standing = 0 AND patient_key IS NOT NULL THEN TRUE END AS of_units,
    slice,
    day,
    COALESCE(side, -1) AS side,
    standing,
    COALESCE(mature, FALSE) AS mature,
    propensity,
    called,
    truth,
    sampling,
    patient_key,
    patient_key IS NOT NULL AS keyed,
    CASE WHEN truth >= 0 THEN probability END AS probability,
    execution_duration_ms AS milliseconds,
    lag_hours AS hours,
    said_pneumonia,
    said_normal,
    said_neither,
    $marks$subgroups
  FROM (
$cases
  ) AS cases
) AS marked
GROUP BY GROUPING SETS (
  (of_standings, slice, standing, side, mature, truth),
  (of_requests, slice, day, propensity, side),
  (of_films, slice, day, propensity, side, called, truth, sampling, keyed, mature),
  (of_scores, slice, side, propensity, truth, sampling, keyed, probability, mature),
  (of_latencies, slice, side, milliseconds),
  (of_readings, slice, said_pneumonia, said_normal, said_neither),
  (of_lags, slice, side, hours),
  (of_units, slice, day, patient_key, propensity, side, called, truth, sampling, probability, mature)$subgroup_sets
)
HAVING of_standings OR of_requests OR of_films OR of_scores OR of_latencies
  OR of_readings OR of_lags OR of_units$subgroup_marks
