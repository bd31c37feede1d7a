-- Beyond four standard errors: among few requests, chance alone moves a share.
SELECT arm, abs(share - declared_share) AS share_deviation, requests
FROM $health
WHERE
  requests_of_all >= $minimum_requests
  AND abs(share - declared_share)
    > 4 * sqrt(declared_share * (1 - declared_share) / requests_of_all)
