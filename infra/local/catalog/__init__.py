"""Unity Catalog as the workspace has it: metadata of tables, registered models, namespaces."""
