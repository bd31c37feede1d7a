"""Databricks SQL over DuckDB: parse with sqlglot, translate, execute, answer in Databricks' form."""
