"""Alerts of SQL: kept, looked at on their schedule, and told to whom they name."""
