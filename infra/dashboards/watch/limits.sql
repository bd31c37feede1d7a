SELECT name, what, limit_value
FROM (
  $limits
) AS declared
ORDER BY name
