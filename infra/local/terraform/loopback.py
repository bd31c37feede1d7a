"""Whether an address is on this machine: the only one that the stand-in works with."""

from __future__ import annotations

import ipaddress
import urllib.parse


def is_loopback(url: str) -> bool:
    """Of `scheme://host[:port]`. Names other than localhost are not looked up: they may move."""
    name = urllib.parse.urlsplit(url).hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
