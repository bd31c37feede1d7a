"""Where the workspace's data are: DuckDB's files, column types, metadata."""
