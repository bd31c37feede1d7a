SELECT arm, abs(share - declared_share) AS share_deviation, requests
FROM $health
WHERE requests_of_all >= $minimum_requests
