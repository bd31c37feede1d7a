"""How `ml` reaches a workspace: connection, warehouse, endpoint."""
