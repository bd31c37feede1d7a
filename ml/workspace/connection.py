"""The connection to an environment's workspace: the local one or Databricks, by the same code.

Authentication is the SDK's unified one: DATABRICKS_* variables, a profile, or what a job runs as.
The local workspace's is the token file that it writes when it starts, whatever else the shell is
set up for.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

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
    if is_local(environment):
        token = _local_token(environment)
        config = _local_config(environment, token, retry_timeout_seconds)
        return WorkspaceClient(config=config)
    first = _config(environment, retry_timeout_seconds=_FIRST_ANSWER_SECONDS)
    _try(first)
    return WorkspaceClient(config=_config(environment, retry_timeout_seconds))


def is_local(environment: "Environment") -> bool:
    """Whether an environment's workspace is the one of this machine."""
    return _is_local(environment.workspace.host)


def _try(config: "Config") -> None:
    from databricks.sdk import WorkspaceClient

    with explained(config.host):
        WorkspaceClient(config=config).current_user.me()


def _config(environment: "Environment", retry_timeout_seconds: int | None = None) -> "Config":
    from databricks.sdk.core import Config

    workspace = environment.workspace
    try:
        return Config(
            host=workspace.host,
            profile=workspace.profile,
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


def _local_config(
    environment: "Environment", token: str, retry_timeout_seconds: int | None
) -> "Config":
    from databricks.sdk.core import Config

    # Not at the top: a served version, which has this module in its container, has no `infra`.
    from infra.declared.local_workspace import pass_by_proxies

    pass_by_proxies(os.environ)
    with _nothing_of_the_shell():
        return Config(
            host=environment.workspace.host,
            token=token,
            auth_type="pat",
            retry_timeout_seconds=retry_timeout_seconds,
        )


@contextmanager
def _nothing_of_the_shell() -> Iterator[None]:
    """The SDK reads what it was not told from variables and a profile that they name."""
    from databricks.sdk.core import Config

    taken = {}
    for attribute in Config.attributes():
        for name in (attribute.env, *attribute.env_aliases):
            if name and name in os.environ:
                taken[name] = os.environ.pop(name)
    try:
        yield
    finally:
        os.environ.update(taken)


def _local_token(environment: "Environment") -> str:
    """The first token that the workspace knows."""
    from infra.declared.local_workspace import token_file, tokens

    refused: WorkspaceError | None = None
    for token in tokens(os.environ):
        try:
            _try(_local_config(environment, token, _FIRST_ANSWER_SECONDS))
        except Refused as error:
            refused = error
        else:
            return token
    if refused:
        raise refused
    raise WorkspaceError(
        f"{token_file()}: the local workspace's token cannot be read. Start the "
        "workspace in another terminal, from the same folder: "
        f"{_start(environment.workspace.host or '')}"
    )


class Refused(WorkspaceError):
    """The workspace does not know who asks, or does not allow it."""


@contextmanager
def explained(host: str | None) -> Iterator[None]:
    """Turns what the SDK raises into a WorkspaceError."""
    from databricks.sdk.errors import PermissionDenied, Unauthenticated
    from databricks.sdk.errors.base import DatabricksError
    from requests import RequestException

    try:
        yield
    except Unauthenticated as error:
        raise Refused(
            f"{host} does not know the token: {_first_line(error)}. Set DATABRICKS_TOKEN anew; for "
            "the local workspace unset it, so that its own token file is read."
        ) from error
    except PermissionDenied as error:
        raise Refused(
            f"{host} refuses: {_first_line(error)}. Ask for the right, or authenticate as somebody "
            "who has it."
        ) from error
    except DatabricksError as error:
        raise WorkspaceError(f"{host} failed: {_first_line(error)}.") from error
    except (RequestException, TimeoutError) as error:
        way_out = (
            f"Is it running? {_start(host)} starts it."
            if host is not None and _is_local(host)
            else "Is it the right workspace, and can this machine reach it?"
        )
        raise WorkspaceError(f"{host} does not answer: {_first_line(error)}. {way_out}") from error


def _start(host: str) -> str:
    """The command that starts the local workspace there."""
    return f"python -m infra.local --port {urlsplit(host).port or 80}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:400].rstrip(".")
