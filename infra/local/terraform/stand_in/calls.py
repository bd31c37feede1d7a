"""Calls of the workspace's API, and how they fail."""

from __future__ import annotations

import dataclasses
from typing import Protocol

RETRY_SECONDS = 300.0
"""How long a call is tried again (the default of databricks-sdk-go)."""
HTTP_SECONDS = 60.0
"""How long an answer may take."""


class Clock(Protocol):
    """What passes between two attempts. The module `time` is one."""

    def monotonic(self) -> float:
        """Seconds from some moment on."""

    def sleep(self, seconds: float, /) -> None:
        """Returns when they have passed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """What was asked of the workspace: method and path."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class CallError(Exception):
    """A call that did not succeed. `message` is the server's own, unchanged."""

    def __init__(self, call: Call, *, status: int | None, error_code: str, message: str) -> None:
        super().__init__(message)
        self.call = call
        self.status = status
        self.error_code = error_code
        self.message = message

    @property
    def is_missing(self) -> bool:
        """Whether the workspace has nothing of that name."""
        return self.status == 404 or self.error_code in {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}


class WaitError(Exception):
    """Something did not reach the state that was waited for."""

    def __init__(self, call: Call, message: str) -> None:
        super().__init__(message)
        self.call = call
