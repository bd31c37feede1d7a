"""What exists in a workspace."""

from typing import TYPE_CHECKING

from ml.workspace.connection import explained

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


def exists(client: "WorkspaceClient", kind: str, name: str) -> bool:
    """Whether there is a catalog, schema, table (or view), volume, model or secret scope of that
    name, given with all its levels.

    Raises WorkspaceError where the workspace does not say it: who may not see it must not take it
    for absent.
    """
    from databricks.sdk.errors import NotFound

    with explained(client.config.host):
        try:
            match kind:
                case "catalog":
                    client.catalogs.get(name)
                case "schema":
                    client.schemas.get(name)
                case "table":
                    client.tables.get(name)
                case "model":
                    client.registered_models.get(name)
                case "secret scope":
                    return any(it.name == name for it in client.secrets.list_scopes())
                case _:
                    client.volumes.read(name)
        except NotFound:
            return False
        return True
