"""The lock file of Terraform's provider: which of its builds may run, on any platform.

It lies in Git as `infra/provider.lock.hcl`; `make provider-lock` writes that of another version
(docs/reference/terraform-provider.md#the-lock-file). Synthesis puts it beside each stack of a real
workspace, where `terraform init` and cdktf find it, and the workflows take no other build
(`init -lockfile=readonly`).
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from infra.declared.environment import Environment
from infra.declared.local_workspace import is_on_this_machine

LOCK: Final = Path(__file__).parents[1] / "provider.lock.hcl"
BESIDE_A_STACK: Final = ".terraform.lock.hcl"


def lock(stacks: Path, environments: Iterable[Environment], file: Path = LOCK) -> None:
    """Put the lock file, where there is one, beside the environments' stacks in a folder of
    synthesized ones. A workspace on this machine is deployed to by the stand-in, which is none of
    the builds."""
    if not file.is_file():
        return
    for environment in environments:
        if not is_on_this_machine(environment.workspace.host or ""):
            for stack in (
                environment.platform_stack,
                environment.serving_stack,
                environment.analysis_stack,
            ):
                shutil.copyfile(file, stacks / stack / BESIDE_A_STACK)
