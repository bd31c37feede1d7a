-- Forgets what was known of the days, which is noted anew.
DELETE FROM $days
WHERE experiment = :experiment AND counted LIKE 'known %' AND counted NOT IN ('known prediction', 'known request')
