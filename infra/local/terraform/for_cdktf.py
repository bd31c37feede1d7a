"""Terraform as plain `cdktf` commands call it where the registry cannot be reached.

cdktf-cli runs the program that TERRAFORM_BINARY_NAME names. In three places it does not get along
with a provider out of a folder, or with Terraform itself (docs/reference/cdktf.md#cdktf-deploy):

- it locks the provider by `terraform providers lock`, which looks into no mirror;
- it initializes the state beside the project, where `python -m infra.local.terraform` keeps the
  one of a deployment by the stand-in elsewhere, so that either would create what is there;
- it ends with Terraform, and may lose the last of what that has printed: why it failed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.local.terraform.stack_folder import move_state

if TYPE_CHECKING:
    from collections.abc import Sequence

_DRAINING_SECONDS: Final = 1.0
"""In which cdktf-cli shows what it has of a terminal whose program is about to end."""


def main(arguments: Sequence[str]) -> int:
    """Terraform's exit status. STATES is the folder of the states, ROOT that of the others."""
    states, root, *command = arguments
    if command[:2] == ["providers", "lock"]:
        return 0
    if command[:1] == ["init"]:
        command += _state_arguments(Path(states), Path(root))
    # What interrupts cdktf interrupts Terraform, which ends in its own time.
    signal.signal(signal.SIGINT, lambda *_: None)
    status = subprocess.run(
        ["terraform", *command],  # noqa: S607 - the one on PATH
        check=False,
    ).returncode
    if status and os.isatty(sys.stdout.fileno()):
        sys.stdout.flush()
        time.sleep(_DRAINING_SECONDS)
    return status if status >= 0 else 128 - status


def _state_arguments(states: Path, root: Path) -> Sequence[str]:
    document = json.loads(Path("cdk.tf.json").read_text(encoding="utf-8"))
    if "local" not in document["terraform"]["backend"]:
        return ()
    name = f"terraform.{Path.cwd().name}.tfstate"
    move_state(root / name, states / name)
    return ["-reconfigure", f"-backend-config=path={states / name}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
