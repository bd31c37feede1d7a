"""Terraform as plain `cdktf` commands call it.

cdktf-cli runs the program that TERRAFORM_BINARY_NAME names. In five places it does not get along
with Terraform, or with a provider out of a folder (docs/reference/cdktf.md#cdktf-deploy):

- it destroys a platform below what stands on it;
- it ends with Terraform, and may lose the last of what that has printed: why it failed;
- it locks the provider by `terraform providers lock`, which looks into no mirror;
- it finds the lock of the real provider's builds, of which the stand-in is none;
- it initializes the state beside the project, where `python -m infra.local.terraform` keeps the
  one of a deployment by the stand-in elsewhere, so that either would create what is there.

The last three concern the stand-in alone, whose states have a folder of their own.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.local.terraform.order import refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

_DRAINING_SECONDS: Final = 1.0
"""In which cdktf-cli shows what it has of a terminal whose program is about to end."""


def main(arguments: Sequence[str]) -> int:
    """Terraform's exit status. STATES is the folder of the stand-in's states, `-` without the
    stand-in; ROOT that of the others."""
    given, root, *command = arguments
    states = None if given == "-" else Path(given)
    if states and command[:2] == ["providers", "lock"]:
        return 0
    if states and command[:1] == ["init"]:
        Path(".terraform.lock.hcl").unlink(missing_ok=True)
        command += _state_arguments(states, Path(root))
    refused = _refusal(Path(root), states) if command[:1] == ["destroy"] else ""
    if refused:
        print(refused, flush=True)
        status = 1
    else:
        # What interrupts cdktf interrupts Terraform, which ends in its own time.
        signal.signal(signal.SIGINT, lambda *_: None)
        status = subprocess.run(
            ["terraform", *command],  # noqa: S607 - the one on PATH
            check=False,
        ).returncode
    if status and sys.stdout.isatty():
        sys.stdout.flush()
        time.sleep(_DRAINING_SECONDS)
    return status if status >= 0 else 128 - status


def _state_arguments(states: Path, root: Path) -> Sequence[str]:
    from infra.local.terraform.stack_folder import move_state  # not for each command of cdktf

    if "local" not in _backend(Path()):
        return ()
    name = _state_file(Path.cwd())
    move_state(root / name, states / name)
    return ["-reconfigure", f"-backend-config=path={states / name}"]


def _refusal(*states: Path | None) -> str:
    kind, _, name = Path.cwd().name.partition("-")
    return refusal(
        kind,
        name,
        is_deployed=lambda it: _is_deployed(Path.cwd().with_name(f"{it}-{name}"), states),
        command=lambda it: f"cdktf destroy {it}-{name}",
    )


def _is_deployed(folder: Path, states: Sequence[Path | None]) -> bool:
    """Whether a stack, which cdktf-cli has just synthesized to `folder`, has anything. What cannot
    be known counts as deployed, and Terraform has said why."""
    from infra.local.terraform.stack_folder import has_resources

    if not folder.is_dir():
        return False
    if "local" in _backend(folder):
        return any(has_resources(it / _state_file(folder)) for it in states if it)
    for command in (["init", "-input=false"], ["state", "list"]):
        done = subprocess.run(
            ["terraform", *command],  # noqa: S607 - the one on PATH
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            print(f"terraform {command[0]} failed in {folder}: what is deployed is not known.")
            return True
    return any(not it.startswith("data.") for it in done.stdout.splitlines())


def _backend(folder: Path) -> Any:
    document = json.loads((folder / "cdk.tf.json").read_text(encoding="utf-8"))
    return document["terraform"]["backend"]


def _state_file(folder: Path) -> str:
    return f"terraform.{folder.name}.tfstate"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
