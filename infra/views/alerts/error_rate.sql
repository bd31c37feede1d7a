SELECT arm, error_rate, requests
FROM $health
WHERE requests >= $minimum_requests
