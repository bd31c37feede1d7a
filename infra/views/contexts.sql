-- One row per prediction of whose film something is known: the first that was written, should two
-- clients have written at once.
SELECT
  prediction_id,
  patient_key,
  site,
  device_maker,
  device_model,
  view,
  age_band,
  sex,
  recorded_at
FROM (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY prediction_id
      ORDER BY recorded_at, patient_key, site, device_maker, device_model, view, age_band, sex
    ) AS row_number
  FROM $context
) AS written
WHERE row_number = 1
