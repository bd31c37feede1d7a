"""Where the local workspace is found: its address, its folder, its token; standard library only.

A shell that is set up for a workspace elsewhere changes nothing about it.
"""

import contextlib
import ipaddress
import os
import re
import urllib.parse
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
PORT: Final = 8180
FOLDER: Final = Path(".local/workspace")
"""What it keeps, from the repository's root."""

LOOPBACK_NAMES: Final = (HOST, "localhost")
"""What this machine is called by a browser."""


def token_file(folder: Path = FOLDER) -> Path:
    """The file that has the token of the workspace whose data are in `folder`."""
    return folder / "token"


def is_loopback(name: str) -> bool:
    """Whether a host is this machine. Names but localhost are not looked up: they may move."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_on_this_machine(url: str) -> bool:
    """Whether `scheme://host[:port]` is an address of this machine."""
    return is_loopback(urllib.parse.urlsplit(url).hostname or "")


def tokens(variables: Mapping[str, str], folder: Path = FOLDER) -> list[str]:
    """The tokens to try, in this order: the file's, and DATABRICKS_TOKEN, for a workspace whose
    data are elsewhere, unless DATABRICKS_HOST says that it is another machine's."""
    found = []
    with contextlib.suppress(OSError):  # never started from here
        found.append(token_file(folder).read_text().strip())
    host, token = variables.get("DATABRICKS_HOST"), variables.get("DATABRICKS_TOKEN")
    if token and (not host or is_on_this_machine(host if "://" in host else f"//{host}")):
        found.append(token)
    return [*dict.fromkeys(found)]


_OF_OTHER_WORKSPACES: Final = re.compile(
    "(DATABRICKS|MLFLOW|AWS|ARM|AZURE|GOOGLE|TF_VAR)_.*|TF_WORKSPACE|TF_CLI_ARGS.*"
)
"""Terraform's are among them: another state, and what somebody adds to their own commands."""


def without_other_workspaces(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of a shell without those that lead to a workspace, a registry or a cloud."""
    return {name: it for name, it in variables.items() if not _OF_OTHER_WORKSPACES.fullmatch(name)}


def forget_other_workspaces() -> None:
    """For a process that works here alone: neither it nor what it starts knows of any other."""
    kept = without_other_workspaces(os.environ)
    os.environ.clear()
    os.environ.update(kept)
    pass_by_proxies(os.environ)


def pass_by_proxies(variables: MutableMapping[str, str]) -> None:
    """This machine is reached directly, whatever proxy is set for others."""
    for name in ("NO_PROXY", "no_proxy"):
        known = [it for it in variables.get(name, "").split(",") if it.strip()]
        missing = [it for it in (*LOOPBACK_NAMES, "::1") if it not in known]
        if missing and "*" not in known:
            variables[name] = ",".join([*known, *missing])
