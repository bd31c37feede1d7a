-- The patients that are known, by the day of their first mature film and by what became of all of
-- them: patients that are alike are counted together. Films of one kind are written as propensity,
-- side, call, truth, sampling probability and how many with spaces between them, a patient's kinds
-- with '|' between them.
SELECT
  day,
  films,
  COUNT(*) AS n
FROM (
  SELECT
    MIN(day) AS day,
    ARRAY_JOIN(
      ARRAY_SORT(COLLECT_LIST(CONCAT_WS(
        ' ',
        CAST(propensity AS STRING),
        CAST(side AS STRING),
        CASE WHEN called THEN '1' ELSE '0' END,
        CAST(truth AS STRING),
        CAST(sampling AS STRING),
        CAST(times AS STRING)
      ))),
      '|'
    ) AS films
  FROM (
$kinds
  ) AS of_one_kind
  GROUP BY patient_key
) AS patients
GROUP BY day, films
ORDER BY day, films
