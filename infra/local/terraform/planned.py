"""An apply, and before it a look at what it would destroy, as the workflows look at their plans."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.declared.destruction import refusal
from infra.local.terraform.refusal import NotDeployed
from infra.progress import progress

if TYPE_CHECKING:
    from infra.declared.environment import Environment
    from infra.local.terraform.stack_folder import StackFolder

_NOTHING_TO_DO: Final = 0
_CHANGES: Final = 2
"""Exit statuses of `terraform plan -detailed-exitcode`."""


def apply(environment: Environment, folder: StackFolder, *, auto_approve: bool) -> int:
    """Terraform's exit status. Approved beforehand, it applies exactly the plan that was looked at;
    else it plans again, shows that and asks.

    Raises NotDeployed where the plan would destroy what nobody can create again, without a word in
    the file.
    """
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary, "plan")
        plan = ("plan", f"-out={file}", "-detailed-exitcode", "-input=false")
        if auto_approve:
            status = folder.run(*plan)
            if status not in {_NOTHING_TO_DO, _CHANGES}:
                return status
        else:
            with progress("Looking whether anything would be destroyed"):
                planned = folder.ask(*plan, "-no-color")
            status = planned.returncode
            if status not in {_NOTHING_TO_DO, _CHANGES}:
                raise NotDeployed(f"terraform plan failed:\n{planned.stdout}{planned.stderr}")
        if status == _CHANGES:
            _judge(environment, folder, file)
        if auto_approve:
            return folder.run("apply", "-input=false", str(file))
    return folder.run("apply")


def _judge(environment: Environment, folder: StackFolder, plan: Path) -> None:
    shown = folder.ask("show", "-json", str(plan))
    if shown.returncode:
        raise NotDeployed(f"terraform show failed:\n{shown.stdout}{shown.stderr}")
    problem = refusal(
        [json.loads(shown.stdout)], environment.may_destroy, f"{environment.name}.toml"
    )
    if problem:
        raise NotDeployed(problem)
