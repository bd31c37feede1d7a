"""Databricks SQL over DuckDB: parsed and translated with sqlglot, answered in Databricks' form."""
