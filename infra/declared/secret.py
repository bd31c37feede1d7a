"""Secrets: referenced as `{{secrets/scope/key}}`, never written down, never repeated."""

import re
from typing import Final

HIDDEN: Final = "(not shown)"
"""What a message says instead of a value that must not be repeated."""

_REFERENCE = re.compile(r"\{\{secrets/[\w.@-]+/[\w.@-]+\}\}")
_NAME = re.compile(
    r"(^|_)(TOKEN|PAT|SECRET|PASSWORD|PASSWD|PWD|CREDENTIALS?|API_?KEY|ACCESS_KEY|PRIVATE_KEY)(_|$)",
    re.IGNORECASE,
)
# A Databricks personal access token or OAuth secret, a private key, a bearer header, a password in
# an address.
_VALUE = re.compile(r"\b(dapi|dose)[0-9a-f]{32}\b|-----BEGIN |\bBearer \S+|://[^/\s@]+:[^/\s@]+@")


def is_reference(value: str) -> bool:
    """Whether the value is exactly one reference: Databricks resolves nothing inside a text."""
    return _REFERENCE.fullmatch(value) is not None


def looks_secret(name: str, value: object) -> bool:
    """Whether the name promises a credential or the value has the form of one."""
    if not isinstance(value, str) or is_reference(value):
        return False
    return bool(_NAME.search(name) or _VALUE.search(value))
