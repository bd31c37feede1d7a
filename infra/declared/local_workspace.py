"""Where the local workspace is found: its address, its folder, its token; standard library only."""

import ipaddress
import urllib.parse
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
