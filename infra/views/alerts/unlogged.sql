SELECT unlogged_share, unlogged, answered
FROM $unlogged
WHERE answered >= $minimum_requests
