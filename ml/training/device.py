"""Which device an arm is trained on: a GPU where its framework finds one.

An arm's module says by ``accelerator()`` what its framework finds; one without that function
computes on the CPU alone.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Final

from ml.contract.errors import UserError

AUTO: Final = "auto"
CPU: Final = "cpu"
CUDA: Final = "cuda"
WANTED: Final = (AUTO, CPU, CUDA)


def choose(wanted: str, network: ModuleType, framework: str) -> tuple[str, str]:
    """CPU or CUDA, and what the version's tag says of it.

    ``framework`` is its name and version, for people. Raises UserError for a GPU that is not there.
    """
    if wanted == CPU:
        return CPU, CPU
    find: Callable[[], str | None] = getattr(network, "accelerator", lambda: None)
    found = find()
    if found is not None:
        return CUDA, f"{CUDA} ({found})"
    if wanted == CUDA:
        raise UserError(
            f"--device {CUDA}: {framework} finds no GPU that it can use here. Take --device "
            f'{AUTO}, or install what it needs for one: docs/databricks.md, "Training on a GPU".'
        )
    return CPU, CPU
