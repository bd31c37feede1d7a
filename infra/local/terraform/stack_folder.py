"""A folder that Terraform deploys one stack from: initialized, and again only where that changes.

Each provider has a folder and a lock of its own, so that one never finds what the other left.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.declared.state import LocalState
from infra.local.terraform import command_line

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from infra.declared.state import State

_STAMP: Final = ".terraform/initialized.sha256"
_LOCK: Final = ".terraform.lock.hcl"
_REFUSAL: Final = "unreachable.sha256"
_DECIDING: Final = ("TF_CLI_ARGS", "TF_CLI_CONFIG_FILE", "TF_DATA_DIR", "TF_PLUGIN_CACHE_DIR")
"""What else changes what `terraform init` does; with the addresses of proxies."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StackFolder:
    """`output` is as cdktf lays it out; `state` is where a state in a file is kept."""

    output: Path
    stack: str
    state: Path
    backend: State
    environment: Mapping[str, str]

    @property
    def path(self) -> Path:
        """Where Terraform runs."""
        return self.file.parent

    @property
    def file(self) -> Path:
        """What was synthesized."""
        return self.output / "stacks" / self.stack / "cdk.tf.json"

    def init(self, **environment: str) -> subprocess.CompletedProcess[str] | None:
        """`terraform init` with more `environment`; None where nothing has changed since the last
        one."""
        stamp, now = self.path / _STAMP, self._deciding()
        if (self.path / _LOCK).is_file() and _is(stamp, now):
            return None
        arguments = ["init", "-input=false", "-no-color", *self._backend_arguments()]
        done = command_line.ask(self.path, {**self.environment, **environment}, *arguments)
        if done.returncode == 0:
            stamp.parent.mkdir(exist_ok=True)
            stamp.write_text(now)
        return done

    def was_unreachable(self, *, seconds: float) -> bool:
        """Whether `init` found no registry so lately, and nothing that decides it has changed."""
        file = self.path / _REFUSAL
        return _is(file, self._deciding()) and time.time() - file.stat().st_mtime < seconds

    def note_unreachable(self) -> None:
        """`init` has just found no registry."""
        (self.path / _REFUSAL).write_text(self._deciding())

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What a command of Terraform prints."""
        return command_line.ask(self.path, self.environment, *arguments)

    def run(self, *arguments: str, **environment: str) -> int:
        """The exit status of a command whose user is at the terminal."""
        return command_line.run(self.path, {**self.environment, **environment}, *arguments)

    def _backend_arguments(self) -> list[str]:
        if not isinstance(self.backend, LocalState):
            return []
        # The folder may have been moved, with the state: it is where it is now.
        return ["-reconfigure", f"-backend-config=path={self.state}"]

    def _deciding(self) -> str:
        said: Mapping[str, Any] = {
            "terraform": json.loads(self.file.read_text())["terraform"],
            "arguments": self._backend_arguments(),
            "environment": {
                name: value
                for name, value in sorted(self.environment.items())
                if name.startswith(_DECIDING) or name.upper() in {"HTTPS_PROXY", "NO_PROXY"}
            },
            "configuration": _text(self.environment.get("TF_CLI_CONFIG_FILE")),
        }
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def move_state(source: Path, target: Path) -> None:
    """Let the provider that is at work now know what the other one deployed."""
    if has_resources(source) and not has_resources(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)


def has_resources(state: Path) -> bool:
    """Whether a state in a file knows of anything that was deployed."""
    try:
        resources = json.loads(state.read_text()).get("resources") or ()
    except (FileNotFoundError, ValueError):
        return False
    return any(it.get("mode") == "managed" for it in resources)


def _is(file: Path, text: str) -> bool:
    return bool(text) and _text(file) == text


def _text(file: str | Path | None) -> str:
    try:
        return Path(file).read_text() if file else ""
    except OSError:
        return ""
