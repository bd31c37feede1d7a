"""MLflow's own APIs, as Databricks hosts them: runs, and the registry of Unity Catalog."""
