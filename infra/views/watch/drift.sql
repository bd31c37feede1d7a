-- How far what an arm is asked and answers has moved from what its version saw in validation: the
-- population stability index of the probability and of each measure of the inputs, in all, by site
-- and by device. 0.1 is little, 0.25 is much; with n films it is (bins - 1) / n by chance alone.
-- A bin without a film counts as one film in ten thousand, so that the index is a number.
SELECT
  arm,
  model_version,
  measure,
  split_by,
  part,
  MAX(observed_in_all) AS observed,
  ROUND(SUM((share - expected) * ln(share / expected)), 6) AS psi
FROM (
  SELECT
    binned.arm,
    binned.model_version,
    binned.measure,
    binned.split_by,
    binned.part,
    binned.observed_in_all,
    GREATEST(binned.observed / binned.observed_in_all, 0.0001D) AS share,
    GREATEST(binned.share, 0.0001D) AS expected
  FROM (
    SELECT
      observation.arm,
      observation.model_version,
      observation.measure,
      observation.split_by,
      observation.part,
      reference.bin,
      reference.share,
      COUNT_IF(
        (reference.lower_bound IS NULL OR observation.value >= reference.lower_bound)
        AND (reference.upper_bound IS NULL OR observation.value < reference.upper_bound)
      ) AS observed,
      COUNT(*) AS observed_in_all
    FROM (
      SELECT
        measured.arm,
        measured.model_name,
        measured.model_version,
        measured.measure,
        measured.value,
        splits.split_by,
        CASE splits.split_by
          WHEN 'site' THEN context.site
          WHEN 'device' THEN context.device_model
          ELSE 'all'
        END AS part
      FROM (
        SELECT prediction_id, arm, model_name, model_version, request_time,
          'probability' AS measure, probability AS value
        FROM $predictions
        WHERE answer_number = 1
        UNION ALL
        SELECT prediction.prediction_id, prediction.arm, prediction.model_name,
          prediction.model_version, prediction.request_time, input.measure, input.value
        FROM $predictions AS prediction
        JOIN $input_measures AS input
          ON input.databricks_request_id = prediction.databricks_request_id
          AND input.image_index = prediction.image_index
        WHERE prediction.answer_number = 1
      ) AS measured
      LEFT JOIN $contexts AS context
        ON context.prediction_id = measured.prediction_id
      CROSS JOIN (
        SELECT 'all' AS split_by UNION ALL SELECT 'site' UNION ALL SELECT 'device'
      ) AS splits
      WHERE measured.request_time >= current_timestamp() - INTERVAL '$drift_hours' HOUR
    ) AS observation
    JOIN $reference AS reference
      ON reference.model_name = observation.model_name
      AND reference.model_version = observation.model_version
      AND reference.measure = observation.measure
    WHERE observation.part IS NOT NULL
    GROUP BY
      observation.arm,
      observation.model_version,
      observation.measure,
      observation.split_by,
      observation.part,
      reference.bin,
      reference.share
  ) AS binned
) AS compared
GROUP BY arm, model_version, measure, split_by, part
