"""What an apply would destroy, looked at before it: a plan, judged as the workflows judge it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from infra.declared.destruction import refusal
from infra.local.terraform.refusal import NotDeployed
from infra.progress import progress

if TYPE_CHECKING:
    from infra.declared.environment import Environment
    from infra.local.terraform.stack_folder import StackFolder


def refuse_what_is_destroyed(environment: Environment, folder: StackFolder) -> None:
    """Raises NotDeployed where the apply would destroy what nobody can create again, without a
    word in the file, or where Terraform cannot say so."""
    with (
        tempfile.TemporaryDirectory() as temporary,
        progress("Looking whether anything would be destroyed"),
    ):
        file = Path(temporary, "plan")
        planned = folder.ask("plan", f"-out={file}", "-input=false", "-no-color")
        shown = planned if planned.returncode else folder.ask("show", "-json", str(file))
    if shown.returncode:
        raise NotDeployed(f"terraform plan failed:\n{shown.stdout}{shown.stderr}")
    problem = refusal(
        [json.loads(shown.stdout)], environment.may_destroy, f"{environment.name}.toml"
    )
    if problem:
        raise NotDeployed(problem)
