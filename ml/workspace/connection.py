"""The connection to an environment's workspace: the local one or Databricks, by the same code.

Authentication is the SDK's unified one: DATABRICKS_* variables, a profile, or what a job runs as.
Only the local workspace adds something, the token file that it writes when it starts.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml.contract.errors import UserError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.core import Config

    from infra.declared.environment import Environment

_FIRST_ANSWER_SECONDS = 3
"""For the first answer. The SDK's five minutes, for every call after it, outlast an outage."""


class WorkspaceError(UserError):
    """The workspace does not answer, refuses, or lacks something."""


def connect(
    environment: "Environment", *, retry_timeout_seconds: int | None = None
) -> "WorkspaceClient":
    """A client of a workspace that has answered. Raises WorkspaceError.

    For how long its calls try again, where somebody waits for them; None: the SDK's five minutes.
    """
    from databricks.sdk import WorkspaceClient

    # It warns before it raises, and what it raises is said in our words.
    logging.getLogger("databricks.sdk").setLevel(logging.ERROR)
    first = _config(environment, retry_timeout_seconds=_FIRST_ANSWER_SECONDS)
    with explained(first.host):
        WorkspaceClient(config=first).current_user.me()
    return WorkspaceClient(config=_config(environment, retry_timeout_seconds))


def _config(environment: "Environment", retry_timeout_seconds: int | None = None) -> "Config":
    from databricks.sdk.core import Config

    workspace = environment.workspace
    token = _local_token() if _is_local(workspace.host) else None
    try:
        return Config(
            host=workspace.host,
            profile=workspace.profile,
            token=token,
            retry_timeout_seconds=retry_timeout_seconds,
        )
    except ValueError as error:
        raise WorkspaceError(
            f"environment {environment.name}: no way to authenticate: {_first_line(error)}\n"
            "Set DATABRICKS_HOST and DATABRICKS_TOKEN, or name a profile of ~/.databrickscfg in "
            f'infra/environments/{environment.name}.toml: [workspace] profile = "...".'
        ) from error


def _is_local(host: str | None) -> bool:
    # An environment file allows http for this machine alone.
    return host is not None and host.startswith("http://")


def _local_token() -> str:
    # Not at the top: a served version, which has this module in its container, has no `infra`.
    from infra.declared.local_workspace import token_file

    if token := os.environ.get("DATABRICKS_TOKEN"):
        return token
    file = token_file()
    try:
        return file.read_text().strip()
    except OSError as error:
        raise WorkspaceError(
            f"{file}: the local workspace's token cannot be read: {error.strerror}. Start the "
            "workspace in another terminal, from the repository's root: python -m infra.local"
        ) from error


@contextmanager
def explained(host: str | None) -> Iterator[None]:
    """Turns what the SDK raises into a WorkspaceError."""
    from databricks.sdk.errors import PermissionDenied, Unauthenticated
    from databricks.sdk.errors.base import DatabricksError
    from requests import RequestException

    try:
        yield
    except Unauthenticated as error:
        raise WorkspaceError(
            f"{host} does not know the token: {_first_line(error)}. Set DATABRICKS_TOKEN anew; for "
            "the local workspace unset it, so that its own token file is read."
        ) from error
    except PermissionDenied as error:
        raise WorkspaceError(
            f"{host} refuses: {_first_line(error)}. Ask for the right, or authenticate as somebody "
            "who has it."
        ) from error
    except DatabricksError as error:
        raise WorkspaceError(f"{host} failed: {_first_line(error)}.") from error
    except (RequestException, TimeoutError) as error:
        way_out = (
            "Is it running? python -m infra.local starts it."
            if _is_local(host)
            else "Is it the right workspace, and can this machine reach it?"
        )
        raise WorkspaceError(f"{host} does not answer: {_first_line(error)}. {way_out}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:400].rstrip(".")
