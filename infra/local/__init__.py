"""The local workspace: a Databricks-compatible server for a laptop and for tests."""
