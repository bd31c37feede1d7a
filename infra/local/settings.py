"""What can be set about the local workspace. Everything has a default that suits a laptop."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from infra.declared.local_workspace import FOLDER, HOST, PORT, is_loopback, token_file

DEFAULT_REGISTRY = "sqlite:///.local/mlflow.db"
"""The MLflow registry that `ml.train_*` writes, from the repository's root."""

MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""Payload limit of custom models (docs/reference/serving.md#invocations)."""


class InvalidSettings(ValueError):
    """A setting the workspace cannot start with; the text names the setting and the way out."""


class CanNotStart(RuntimeError):
    """Why the workspace can not start, and the way out."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Times are in seconds. The names are those of the command line options."""

    host: str = HOST
    port: int = PORT
    data: Path = FOLDER
    registry: str = DEFAULT_REGISTRY
    state_seconds: float = 0.0
    """How long an endpoint stays in an update at least, on top of the work itself."""
    settle_seconds: float = 1.0
    """How long a look at an endpoint waits for the end of an update before it answers.

    Whoever polls comes back in a second at the earliest (Terraform's provider, the SDK)."""
    delivery_seconds: float = 2.0
    """How long an answered request waits before it appears in its tables (Databricks: <= 1 h)."""
    scale_to_zero_seconds: float = 1800.0
    """Idle time after which a served entity with scale to zero is stopped."""
    execution_seconds: float = 297.0
    """Longest time of one prediction (docs/reference/serving.md#invocations)."""
    start_seconds: float = 300.0
    """Longest time a served entity may need to load its model."""
    queue_per_slot: int = 16
    """Requests that may wait for each unit of provisioned concurrency before 429."""
    threads_per_entity: int = 1
    """Threads that a framework may use inside one served entity."""

    def __post_init__(self) -> None:
        if not is_loopback(self.host):
            raise InvalidSettings(
                f"--host {self.host!r} is not a loopback address. The local workspace has one user"
                f" and no transport security, so it serves this machine only:"
                f" use --host {HOST}."
            )
        if not 0 <= self.port <= 65535:
            raise InvalidSettings(f"--port {self.port} is not a port: use 0 to 65535.")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float | int) and not value >= 0:
                option = field.name.replace("_", "-")
                raise InvalidSettings(f"--{option} {value} is not 0 or more.")
        if self.threads_per_entity < 1:
            raise InvalidSettings("--threads-per-entity 0 computes nothing: use 1 or more.")

    @property
    def address(self) -> str:
        """By which clients of this machine reach it."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def token_file(self) -> Path:
        """Readable by its owner alone."""
        return token_file(self.data)

    @property
    def lock_file(self) -> Path:
        """Held while a workspace runs on the data."""
        return self.data / "lock"

    @property
    def endpoints_file(self) -> Path:
        """Of the endpoints' states."""
        return self.data / "serving" / "endpoints.db"

    @property
    def journal_folder(self) -> Path:
        """Of what was answered and is not in its table yet."""
        return self.data / "serving" / "journal"

    @property
    def logs_folder(self) -> Path:
        """Of the served entities' logs."""
        return self.data / "serving" / "logs"
