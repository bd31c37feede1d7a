"""What Terraform remembers of an environment's endpoints.

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
from infra.declared.state import LocalState

_STACKS: Final = Path("cdktf.out/stacks")
_STAND_IN: Final = Path(".local/terraform/stand-in")
"""Where `infra.local.terraform` keeps the state of a deployment by the stand-in provider."""


@dataclass(frozen=True, kw_only=True)
class TerraformState:
    """The endpoints of a state by their names; `unread` says why there are none to compare."""

    endpoints: Mapping[str, Mapping[str, Any]]
    unread: str = ""


def read(environment: Environment, root: Path) -> TerraformState:
    """The state of the serving stack of the repository at `root`."""
    stack = environment.serving_stack
    if isinstance(environment.backend, LocalState):
        name = environment.backend.file(stack)
        files = [file for file in (root / name, root / _STAND_IN / name) if file.is_file()]
        texts = [file.read_text(encoding="utf-8") for file in files]
        return _parsed(texts, f"{name} does not exist: nothing was deployed from this folder")
    return _pulled(stack, root)


def _pulled(stack: str, root: Path) -> TerraformState:
    folder = root / _STACKS / stack
    way_out = f"python main.py && terraform -chdir={_STACKS / stack} init"
    if not (folder / ".terraform").is_dir():
        return TerraformState(endpoints={}, unread=f"not read before {way_out}")
    try:
        done = subprocess.run(
            ["terraform", "state", "pull"],  # noqa: S607 - the one on PATH
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return TerraformState(endpoints={}, unread=f"terraform cannot be run: {error}")
    if done.returncode:
        return TerraformState(
            endpoints={}, unread=f"{done.stderr.strip().splitlines()[-1:]}; {way_out}"
        )
    return _parsed([done.stdout], "it is empty: nothing was deployed")


def _parsed(texts: list[str], nothing: str) -> TerraformState:
    endpoints: dict[str, Mapping[str, Any]] = {}
    for text in texts:
        for resource in json.loads(text or "{}").get("resources") or ():
            if resource.get("type") == "databricks_model_serving":
                for instance in resource.get("instances") or ():
                    attributes = instance["attributes"]
                    endpoints[attributes["name"]] = attributes
    return TerraformState(endpoints=endpoints, unread="" if endpoints else nothing)
