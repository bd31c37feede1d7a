"""The environment's workspace, for commands that look at it; the local one or Databricks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.declared.environment import Environment
from infra.progress import progress

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient


@contextmanager
def workspace(environment: Environment) -> Iterator["WorkspaceClient"]:
    """A client of a workspace that has answered. Raises ml.workspace.connection.WorkspaceError."""
    from ml.workspace.connection import connect, explained

    with progress("Asking the workspace"):
        client = connect(environment)
    with explained(client.config.host):
        yield client
