"""What serving needs to know about registered models: one version, and where its files are."""

from __future__ import annotations

from typing import Protocol


class ModelNotFound(LookupError):  # noqa: N818 - says what happened
    """No such registered model or version; the text is the message for the client."""


class RegisteredVersion(Protocol):
    """A version of a registered model of Unity Catalog."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def status(self) -> str:
        """READY, PENDING_REGISTRATION or FAILED_REGISTRATION."""

    @property
    def source_path(self) -> str:
        """Folder (or URI that MLflow can load) of the logged model."""


class ModelSource(Protocol):
    def version(self, full_name: str, version: int) -> RegisteredVersion:
        """Raise `ModelNotFound` if there is none."""


class SecretSource(Protocol):
    def secret(self, scope: str, key: str) -> str | None:
        """The value of a secret; None if there is no such scope or key."""
