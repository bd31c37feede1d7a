-- The patients that are known, those that are alike counted together; `counted` says as what.
-- `units`: by the day of the first mature film and by what became of all films. `patients by ...`:
-- by what became of the films that have one value of a column. Films of one kind are written as
-- propensity, side, call, truth, sampling probability and how many with spaces between them, a
-- patient's kinds with '|' between them. `distances`: by how far one arm's probabilities are from
-- the truths, in sum over the patient's films, and by what these films weigh, both divided by the
-- number of all; in millionths, so that no order of adding them up shows.
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
    CASE WHEN counted = 'distances' THEN weight / 1e6 END AS weight,
    CASE WHEN counted = 'distances' THEN ROUND(distance / 1e6, 4) END AS distance
  FROM (
    SELECT
      CASE WHEN GROUPING(of_side) = 1 THEN what WHEN what = 'units' THEN 'distances' END AS counted,
      of_side AS side,
      subgroup,
      MIN(day) AS first_day,
      ARRAY_JOIN(ARRAY_SORT(COLLECT_LIST(kind)), '|') AS films,
      SUM(ROUND(1e6 * weight * times / size)) AS weight,
      SUM(ROUND(1e6 * weight * distance / size)) AS distance
    FROM (
      SELECT
        what,
        patient_key,
        subgroup,
        day,
        side AS of_side,
        CONCAT_WS(
          ' ',
          CAST(propensity AS STRING),
          CAST(side AS STRING),
          CASE WHEN called THEN '1' ELSE '0' END,
          CAST(truth AS STRING),
          CAST(sampling AS STRING),
          CAST(times AS STRING)
        ) AS kind,
        CASE
          WHEN truth < 0 THEN 0
          WHEN side = 1 THEN 2 * (1 - propensity) / $sampling
          ELSE 2 * propensity / $sampling
        END AS weight,
        COALESCE(probabilities / 1e9 - truth * times, 0) AS distance,
        times,
        SUM(times) OVER (PARTITION BY what, patient_key, subgroup) AS size
      FROM (
$kinds
      ) AS of_one_kind
    ) AS weighed
    GROUP BY GROUPING SETS (
      (what, patient_key, subgroup),
      (what, patient_key, subgroup, of_side)
    )
  ) AS patient
  WHERE counted <> 'distances' OR counted = 'distances' AND weight > 0
) AS alike
GROUP BY counted, day, side, subgroup, films, weight, distance
