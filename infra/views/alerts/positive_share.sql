SELECT arm, positive_share, requests
FROM $health
WHERE requests >= $minimum_requests
