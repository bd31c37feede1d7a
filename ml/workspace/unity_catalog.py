"""What exists in Unity Catalog."""

from typing import TYPE_CHECKING, Literal

from ml.workspace.connection import explained

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


def exists(client: "WorkspaceClient", kind: Literal["table", "volume", "model"], name: str) -> bool:
    """Whether there is a table, a view, a volume or a registered model of that name, given with
    all its levels.

    Raises WorkspaceError where the workspace does not say it: who may not see it must not take it
    for absent.
    """
    from databricks.sdk.errors import NotFound

    with explained(client.config.host):
        try:
            if kind == "table":
                client.tables.get(name)
            elif kind == "model":
                client.registered_models.get(name)
            else:
                client.volumes.read(name)
        except NotFound:
            return False
        return True
