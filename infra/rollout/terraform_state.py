"""What Terraform remembers of an environment's endpoints, and of what holds its data.

A state in a file is read there, whichever of the two providers wrote it; any other one by
`terraform state pull` in the stack's folder.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.declared.environment import Environment
from infra.declared.holdings import Known, known
from infra.declared.state import LocalState

_STACKS: Final = Path("cdktf.out/stacks")
_STAND_IN: Final = Path(".local/terraform/stand-in")
"""Where `infra.local.terraform` keeps the state of a deployment by the stand-in provider."""


@dataclass(frozen=True, kw_only=True)
class TerraformState:
    """The endpoints of a state by their names; `unread` says why there are none to compare."""

    endpoints: Mapping[str, Mapping[str, Any]]
    unread: str = ""


@dataclass(frozen=True, kw_only=True)
class PlatformState:
    """The tables and volumes of a state; `unread` says why there are none to compare.

    `terraform` is how Terraform is called in the stack's folder, and `before` what it takes.
    """

    known: tuple[Known, ...]
    terraform: str
    before: str
    unread: str = ""


def read(environment: Environment, root: Path) -> TerraformState:
    """The state of the serving stack of the repository at `root`."""
    texts, unread = _texts(environment, environment.serving_stack, root)
    endpoints: dict[str, Mapping[str, Any]] = {}
    for text in texts:
        for resource in json.loads(text or "{}").get("resources") or ():
            if resource.get("type") == "databricks_model_serving":
                for instance in resource.get("instances") or ():
                    attributes = instance["attributes"]
                    endpoints[attributes["name"]] = attributes
    return TerraformState(endpoints=endpoints, unread="" if endpoints else unread)


def read_platform(environment: Environment, root: Path) -> PlatformState:
    """The state of the platform stack of the repository at `root`."""
    stack = environment.platform_stack
    texts, unread = _texts(environment, stack, root)
    found = tuple(it for text in texts for it in known(json.loads(text or "{}")))
    folder, before = _STACKS / stack, f"python main.py && terraform -chdir={_STACKS / stack} init"
    stand_in = _STAND_IN / _STACKS / stack
    if isinstance(environment.backend, LocalState) and (root / stand_in / ".terraform").is_dir():
        folder, before = stand_in, 'eval "$(python -m infra.local.terraform install)"'
    return PlatformState(
        known=found,
        terraform=f"terraform -chdir={folder}",
        before=before,
        unread="" if found else unread,
    )


def _texts(environment: Environment, stack: str, root: Path) -> tuple[list[str], str]:
    """The states of a stack, and what to say where nothing is in them."""
    if isinstance(environment.backend, LocalState):
        name = environment.backend.file(stack)
        files = [file for file in (root / name, root / _STAND_IN / name) if file.is_file()]
        texts = [file.read_text(encoding="utf-8") for file in files]
        return texts, f"{name} does not exist: nothing was deployed from this folder"
    return _pulled(stack, root)


def _pulled(stack: str, root: Path) -> tuple[list[str], str]:
    folder = root / _STACKS / stack
    way_out = f"python main.py && terraform -chdir={_STACKS / stack} init"
    if not (folder / ".terraform").is_dir():
        return [], f"not read before {way_out}"
    try:
        done = subprocess.run(
            ["terraform", "state", "pull"],  # noqa: S607 - the one on PATH
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return [], f"terraform cannot be run: {error}"
    if done.returncode:
        return [], f"{done.stderr.strip().splitlines()[-1:]}; {way_out}"
    return [done.stdout], "it is empty: nothing was deployed"
