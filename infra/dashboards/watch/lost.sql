SELECT answered, unlogged, unlogged_share
FROM $unlogged
