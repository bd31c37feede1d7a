-- Which of the given ids the log has, whatever became of the request.
SELECT DISTINCT prediction_id
FROM ($ids) AS logged
WHERE request_time IS NOT NULL AND prediction_id IN (SELECT EXPLODE(SPLIT(:ids, ' ')))
