"""The lock file of Terraform's provider: which of its builds may run, on any platform.

It lies in Git as `infra/provider.lock.hcl`, written by `make provider-lock` where the registry of
providers can be reached; synthesis puts it beside each stack, where `terraform init` and cdktf find
it. The workflows take no other (`init -lockfile=readonly`), so that without it they stop.
"""

import shutil
from pathlib import Path
from typing import Final

LOCK: Final = Path(__file__).parents[1] / "provider.lock.hcl"
BESIDE_A_STACK: Final = ".terraform.lock.hcl"


def lock(stacks: Path, file: Path = LOCK) -> None:
    """Put the lock file beside every stack in a folder of synthesized ones, where there is one."""
    if file.is_file():
        for stack in stacks.glob("*/cdk.tf.json"):
            shutil.copyfile(file, stack.with_name(BESIDE_A_STACK))
