"""Terraform's CLI, and what it says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest


class Terraform:
    """Terraform's CLI in a folder of its own, with the stand-in provider installed."""

    def __init__(self, folder: Path, host: str, environment: dict[str, str]) -> None:
        self.folder = folder
        self.host = host
        self._log = folder / "terraform.log"
        self.environment = environment | {"TF_LOG_CORE": "WARN", "TF_LOG_PATH": str(self._log)}
        self.provider: dict[str, Any] = {"host": host}

    def write(self, *, blocks: dict[str, Any] | None = None, **resources: Any) -> None:
        """`write(databricks_schema={"this": {...}})`: the whole configuration."""
        document: dict[str, Any] = {
            "terraform": {
                "required_providers": {
                    "databricks": {"source": "databricks/databricks", "version": "1.99.0"}
                }
            },
            "provider": {"databricks": self.provider},
        }
        if resources:
            document["resource"] = resources
        document |= blocks or {}
        (self.folder / "main.tf.json").write_text(json.dumps(document, indent=1))

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if check and done.returncode not in {0, 2}:
            pytest.fail(f"terraform {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
        return done

    def init(self) -> None:
        self.run("init", "-input=false", "-no-color")

    def apply(self, *, check: bool = True) -> str:
        done = self.run("apply", "-auto-approve", "-input=false", "-no-color", check=check)
        return _text(done)

    def destroy(self, *, check: bool = True) -> str:
        return _text(self.run("destroy", "-auto-approve", "-input=false", "-no-color", check=check))

    def plan(self) -> str:
        """ "" when there is nothing to change, else what Terraform would do."""
        done = self.run("plan", "-detailed-exitcode", "-input=false", "-no-color")
        return "" if done.returncode == 0 else _text(done)

    def import_(self, address: str, id_: str) -> str:
        return _text(self.run("import", "-input=false", "-no-color", address, id_))

    def tolerated(self) -> list[tuple[str, str, str]]:
        """What Terraform would refuse from a provider of its newer kind: of whom, path, problem."""
        found, address = [], ""
        for line in self._log.read_text().splitlines() if self._log.exists() else ():
            if of := re.search(r"produced an? .* for (\S+?), but we are tolerating it", line):
                address = of[1]
            elif one := re.match(r" +- \.(\S+?): (.*)$", line):
                found.append((address, re.sub(r"\[[^]]*\]", "", one[1]), one[2]))
        return found

    def state(self, address: str) -> dict[str, Any]:
        """The attributes of one resource, or {} if it is not in the state."""
        for one in json.loads(self._state_file.read_text())["resources"]:
            if f"{one['type']}.{one['name']}" == address:
                attributes: dict[str, Any] = one["instances"][0]["attributes"]
                return attributes
        return {}

    def outputs(self) -> dict[str, Any]:
        found = json.loads(self._state_file.read_text())["outputs"]
        return {name: output["value"] for name, output in found.items()}

    def forget(self, *addresses: str) -> None:
        """That these were deployed; they stay in the workspace."""
        state = json.loads(self._state_file.read_text())
        state["resources"] = [
            one for one in state["resources"] if f"{one['type']}.{one['name']}" not in addresses
        ]
        self._state_file.write_text(json.dumps(state))

    @property
    def _state_file(self) -> Path:
        return self.folder / "terraform.tfstate"


def _text(done: subprocess.CompletedProcess[str]) -> str:
    """Both streams, without the frame that Terraform draws and breaks lines in."""
    return re.sub(r"[│╷╵]", " ", done.stdout + done.stderr)
