-- The patients that are known, those that are alike counted together; `counted` says as what.
-- `units`: by the day of the first mature film and by what became of all films. `patients by ...`:
-- by what became of the films that have one value of a column. A film is written as propensity,
-- side, call, truth and sampling probability with spaces between them, a patient's films with '|'
-- between them. `distances`: by how far one arm's probabilities are from the truths, in sum over
-- the patient's films, and by what these films weigh, both divided by the number of all.
SELECT
  counted,
  day,
  side,
  subgroup,
  films,
  weight,
  distance,
  COUNT(*) AS n
FROM (
  SELECT
    counted,
    CASE WHEN counted = 'units' THEN first_day END AS day,
    side,
    subgroup,
    CASE WHEN counted <> 'distances' THEN films END AS films,
    CASE WHEN counted = 'distances' THEN weight END AS weight,
    CASE WHEN counted = 'distances' THEN distance END AS distance
  FROM (
    SELECT
      CASE
        WHEN GROUPING(of_side) = 0 THEN 'distances'$names
        ELSE 'units'
      END AS counted,
      of_side AS side,
      COALESCE(CAST(NULL AS STRING)$values) AS subgroup,
      MIN(day) AS first_day,
      ARRAY_JOIN(ARRAY_SORT(COLLECT_LIST(film)), '|') AS films,
      ROUND(SUM(weight / size), 6) AS weight,
      ROUND(SUM(weight * distance / size), 4) AS distance
    FROM (
      SELECT
        day,
        patient_key,
        side AS of_side,
        CONCAT_WS(
          ' ',
          CAST(propensity AS STRING),
          CAST(side AS STRING),
          CASE WHEN called THEN '1' ELSE '0' END,
          CAST(truth AS STRING),
          CAST(sampling AS STRING)
        ) AS film,
        CASE
          WHEN truth < 0 THEN 0
          WHEN side = 1 THEN 2 * (1 - propensity) / sampling
          ELSE 2 * propensity / sampling
        END AS weight,
        probability - truth AS distance,
        COUNT(*) OVER (PARTITION BY patient_key) AS size$subgroups
      FROM cases
      WHERE standing = 0 AND mature AND patient_key IS NOT NULL
    ) AS film
    GROUP BY GROUPING SETS (
      (patient_key),
      (patient_key, of_side)$sets
    )
  ) AS patient
  WHERE counted <> 'distances' OR weight > 0
) AS alike
GROUP BY counted, day, side, subgroup, films, weight, distance
