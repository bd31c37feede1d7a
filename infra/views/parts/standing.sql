-- The rule of the reference standard: of each reader's readings of a prediction the latest blind one
-- stands, unless a blind one has superseded it, whatever the clocks said. What a reader said after
-- the models' answer had been shown never takes its place; the latest of that stands beside it.
-- Readings of a reader who is not named are of one reader each.
SELECT *
FROM (
  SELECT
    *,
    MAX(CASE WHEN blind AND NOT superseded AND reading_number = 1 THEN ground_truth END)
      OVER (PARTITION BY $key, radiologist_id, simulated) AS said_blind
  FROM (
    SELECT
      *,
      row_number() OVER (
        PARTITION BY $key, radiologist_id, simulated, blind, superseded
        ORDER BY decided_at DESC, written_at DESC, feedback_id DESC, ground_truth DESC
      ) AS reading_number
    FROM (
      SELECT
        *,
        COALESCE(
          array_contains(
            collect_list(supersedes) OVER (PARTITION BY $key, radiologist_id, simulated, blind),
            feedback_id
          ),
          FALSE
        ) AS superseded
      FROM (
$readings
      ) AS known
    ) AS compared
  ) AS numbered
) AS told
WHERE NOT superseded AND (reading_number = 1 OR radiologist_id IS NULL)
