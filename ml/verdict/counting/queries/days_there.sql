-- How many rows there are by now of each day that something happened on, which tells whether
-- anything has come since: the tables are only added to. Of the log, its times alone are read.
SELECT 'requests' AS known, $of_request AS slice, COUNT(*) AS n
FROM $payload
WHERE request_time <= CAST(:as_of AS TIMESTAMP)
GROUP BY $of_request
UNION ALL
SELECT 'readings', $of_reading, COUNT(*)
FROM $feedback
WHERE timestamp <= CAST(:as_of AS TIMESTAMP)
GROUP BY $of_reading
UNION ALL
SELECT 'contexts', $of_context, COUNT(*)
FROM $context
WHERE recorded_at <= CAST(:as_of AS TIMESTAMP)
GROUP BY $of_context
UNION ALL
SELECT 'configurations', $of_configuration, COUNT(*)
FROM system.serving.served_entities
WHERE change_time <= CAST(:as_of AS TIMESTAMP)
GROUP BY $of_configuration
