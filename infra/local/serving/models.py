"""What serving asks of the rest of the workspace: a registered version, the value of a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from infra.local.catalog.models import RegisteredVersion


class ModelSource(Protocol):
    """Registered models."""

    def version(self, full_name: str, version: int) -> RegisteredVersion:
        """One version of a model. Raises ModelNotFound."""


class SecretSource(Protocol):
    """Secrets."""

    def secret(self, scope: str, key: str) -> str | None:
        """The value of a secret; None if there is no such scope or key."""
