-- From when on the watch looks: the window's start, or later, when the endpoint has changed.
SELECT
  GREATEST(
    current_timestamp() - INTERVAL '$window_minutes' MINUTE,
    COALESCE(
      MAX(change_time) + INTERVAL '$muted_minutes' MINUTE,
      TIMESTAMP '1970-01-01 00:00:00'
    )
  ) AS since
FROM system.serving.served_entities
WHERE endpoint_name = '$endpoint'
