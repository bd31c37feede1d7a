-- The rows that the questions of the corpus are asked over: each type, with NULLs and edges.
SELECT
  id,
  b,
  CAST(ti AS TINYINT) AS ti,
  i,
  CAST(l AS BIGINT) AS l,
  CAST(f AS FLOAT) AS f,
  CAST(d AS DOUBLE) AS d,
  CAST(m AS DECIMAL(10, 2)) AS m,
  s,
  sn,
  CAST(dt AS DATE) AS dt,
  CAST(ts AS TIMESTAMP) AS ts,
  CAST(tn AS TIMESTAMP_NTZ) AS tn,
  bin,
  ai,
  sa,
  da,
  ma,
  st,
  j
FROM VALUES
  (1, true, 1, 7, 86400000, 1.5, 1.5, 2.50, 'abc', '7', '2026-01-02', '2026-01-02 03:04:05', '2026-01-02 03:04:05', X'6162', array(1, 2), array('a', 'b'), array(0.5D, 1.5D), map('a', 1, 'b', 2), named_struct('x', 1, 'y', 'a'), '{"a": {"b": [1, 2.5]}, "n": 7, "odd name": "yes", "list": [{"x": 1}, {"x": 2}], "predictions": [[0.25], [0.75]]}'),
  (2, false, -3, 0, -1500, 0.25, -0.5, -1.25, '', '-12', '2024-02-29', '2025-12-31 23:59:59.678', '1969-12-31 23:59:59.5', X'', array(3, NULL, 1), array(NULL, 'z'), array(1.0D), map('a', NULL), named_struct('x', NULL, 'y', ''), '[1, {"a": "x"}]'),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, true, 100, 2, 1767323045000, 100.0, 1234567.875, 99.99, 'Ab é', '3', '2026-03-31', '2026-03-29 01:30:00.123456', '2026-10-25 02:30:00.001', X'FF00', array(), array(), array(), map('z', 9), named_struct('x', 5, 'y', 'b'), '{bad')
  AS given(id, b, ti, i, l, f, d, m, s, sn, dt, ts, tn, bin, ai, sa, da, ma, st, j)
