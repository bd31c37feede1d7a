-- Everything that is counted of the cases, in one pass over them. `of_...` says what a row is
-- counted for, and is NULL where it is not; each set of columns has its own.
SELECT
  CASE
    WHEN GROUPING(of_standings) = 0 THEN 'standings'
    WHEN GROUPING(of_requests) = 0 THEN 'requests'
    WHEN GROUPING(of_films) = 0 THEN 'films'
    WHEN GROUPING(of_scores) = 0 THEN 'scores'
    WHEN GROUPING(of_latencies) = 0 THEN 'latencies'
    WHEN GROUPING(of_readings) = 0 THEN 'readings'
    WHEN GROUPING(of_lags) = 0 THEN 'lags'$subgroup_names
  END AS counted,
  day,
  side,
  standing,
  mature,
  propensity,
  called,
  truth,
  sampling,
  keyed,
  rounded,
  milliseconds,
  hours,
  said_pneumonia,
  said_normal,
  said_neither$subgroup_columns,
  $sums
FROM (
  SELECT
    standing >= 0 AS of_standings,
    CASE WHEN side IS NOT NULL AND image_index = 0 THEN TRUE END AS of_requests,
    CASE WHEN standing = 0 AND mature THEN TRUE END AS of_films,
    CASE WHEN standing = 0 AND mature AND truth >= 0 THEN TRUE END AS of_scores,
    CASE
      WHEN side IS NOT NULL AND image_index = 0 AND status_code = 200
        AND execution_duration_ms IS NOT NULL THEN TRUE
    END AS of_latencies,
    CASE WHEN said_pneumonia + said_normal + said_neither > 1 THEN TRUE END AS of_readings,
    CASE WHEN standing = 0 AND lag_hours IS NOT NULL THEN TRUE END AS of_lags,
    day,
    COALESCE(side, -1) AS side,
    standing,
    COALESCE(mature, FALSE) AS mature,
    propensity,
    called,
    truth,
    sampling,
    patient_key IS NOT NULL AS keyed,
    -- Few films keep their probability, and more the nearer it is to 0 or 1; of many, those between
    -- two steps of the logit, on which calibration is judged, are counted together.
    CASE
      WHEN NOT (standing = 0 AND mature AND truth >= 0) THEN NULL
$rounded
    END AS rounded,
    execution_duration_ms AS milliseconds,
    lag_hours AS hours,
    said_pneumonia,
    said_normal,
    said_neither,
    $marks$subgroups
  FROM cases
) AS marked
GROUP BY GROUPING SETS (
  (of_standings, standing, side, mature, truth),
  (of_requests, day, propensity, side),
  (of_films, day, propensity, side, called, truth, sampling, keyed),
  (of_scores, side, propensity, truth, sampling, keyed, rounded),
  (of_latencies, side, milliseconds),
  (of_readings, said_pneumonia, said_normal, said_neither),
  (of_lags, side, hours)$subgroup_sets
)
HAVING of_standings OR of_requests OR of_films OR of_scores OR of_latencies
  OR of_readings OR of_lags$subgroup_marks
