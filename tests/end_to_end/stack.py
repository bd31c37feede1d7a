"""Stacks, synthesized in this process and deployed by Terraform itself with an attached provider.

What cdktf adds for its user takes seconds a command: `Sandbox.cdktf` is for the tests that show it.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from infra.declared.environment import load
from infra.local.terraform.synthesis import synthesize

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def synthesized(kind: str, file: Path, output: Path) -> Path:
    """The folder of an environment's stack, which its file declares."""
    environment = load(file)
    output.mkdir(parents=True, exist_ok=True)
    synthesize(kind, environment, output)
    name: str = getattr(environment, f"{kind}_stack")
    return output / "stacks" / name


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stack:
    """A synthesized stack and Terraform in its folder."""

    folder: Path
    environment: Mapping[str, str]

    def init(self, *arguments: str) -> None:
        self._terraform("init", *arguments)

    def apply(self) -> str:
        return self._terraform("apply", "-auto-approve")

    def destroy(self) -> str:
        return self._terraform("destroy", "-auto-approve")

    def refused(self, command: str = "apply") -> str:
        """What Terraform says when it fails."""
        return self._terraform(command, "-auto-approve", fails=True)

    def plan(self) -> str:
        return self._terraform("plan")

    def changes(self) -> list[str]:
        """What the next apply would do, as `address: actions`; nothing where all is as declared."""
        self._terraform("plan", "-out=plan")
        plan = json.loads(self._run("show", "-json", "plan").stdout)
        return [
            f"{it['address']}: {'+'.join(it['change']['actions'])}"
            for it in plan.get("resource_changes", ())
            if it["change"]["actions"] not in (["no-op"], ["read"])
        ]

    def output(self, name: str) -> str:
        value: str = json.loads(self._run("output", "-json", name).stdout)
        return value

    def _terraform(self, *arguments: str, fails: bool = False) -> str:
        done = self._run(*arguments, "-input=false", "-no-color")
        if bool(done.returncode) is not fails:
            pytest.fail(f"terraform {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
        # Terraform breaks lines where its frame ends.
        return re.sub(r"\s+", " ", re.sub(r"[│╷╵]", " ", done.stdout + done.stderr))

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
