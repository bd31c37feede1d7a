"""What an apply would do, looked at before it: a plan, judged as the workflows judge it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from infra.declared.destruction import refusal

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from infra.declared.environment import Environment


def why_not(
    environment: Environment, terraform: Callable[..., subprocess.CompletedProcess[str]]
) -> str:
    """Why a stack must not be applied; empty where nothing speaks against it.

    `terraform` runs it with its arguments in the stack's folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "plan")
        planned = terraform("plan", f"-out={file}", "-input=false", "-no-color")
        shown = planned if planned.returncode else terraform("show", "-json", str(file))
    if shown.returncode:
        return f"terraform plan failed:\n{shown.stdout}{shown.stderr}"
    return refusal([json.loads(shown.stdout)], environment.may_destroy, f"{environment.name}.toml")
