-- The predictions that something was said of on given days.
SELECT prediction_id
FROM $feedback
WHERE timestamp <= CAST(:as_of AS TIMESTAMP)$said
UNION ALL
SELECT prediction_id
FROM $context
WHERE recorded_at <= CAST(:as_of AS TIMESTAMP)$described
