-- Says that a run has begun, until a whole count is noted in its place.
INSERT INTO $days (experiment, counted, n)
SELECT :experiment, 'known begun', CAST(:second AS BIGINT)
