-- The ids of all answers but those to replayed requests.
SELECT prediction_id, request_time
FROM $answers AS answer
WHERE client_request_id IS NULL OR client_request_id NOT LIKE '$replay%'
