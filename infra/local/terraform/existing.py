"""What an apply of the platform stack would erase, or stop at half-way: it exists already."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from infra.declared.holdings import containers, created, holdings, is_adoptable, known, models
from infra.local.terraform.refusal import NotDeployed
from infra.progress import progress

if TYPE_CHECKING:
    from infra.declared.environment import Environment
    from infra.declared.holdings import Holding
    from infra.local.terraform.stack_folder import StackFolder


def refuse_what_exists(
    environment: Environment, folder: StackFolder, *, needs_install: bool
) -> None:
    """Raises NotDeployed where the apply would create what is there and the state does not know.

    `needs_install`: whether Terraform finds its provider in the folder only where it is told to.
    """
    from ml.workspace.connection import WorkspaceError, connect
    from ml.workspace.unity_catalog import exists

    pulled = folder.ask("state", "pull")
    if pulled.returncode:
        raise NotDeployed(f"terraform state pull failed:\n{pulled.stdout}{pulled.stderr}")
    state = tuple(known(json.loads(pulled.stdout or "{}")))
    there: list[tuple[Holding, tuple[str, ...]]] = []
    client = None
    try:
        # First what would be erased; what would only stop the apply half-way comes after it.
        for declared in (holdings, models, containers):
            new = created(environment, state, declared)
            if new and not there:
                with progress("Looking whether anything would be erased"):
                    client = client or connect(environment)
                    there += [it for it in new if exists(client, it[0].kind, it[0].name)]
    except WorkspaceError as problem:
        raise NotDeployed(
            f"Whether a table would be erased cannot be told, so nothing is deployed: {problem}"
        ) from problem
    if there:
        problems = [
            f"{holding.name}: {holding.problem()}"
            + f" adopt = true under {holding.key} imports it." * is_adoptable(holding, commands)
            for holding, commands in there
        ]
        terraform = f"terraform -chdir={folder.path.relative_to(Path.cwd())}"
        commands = [f"{terraform} {it}" for _, commands in there for it in commands]
        if needs_install:
            commands.insert(0, 'eval "$(python -m infra.local.terraform install)"')
        raise NotDeployed(
            "\n".join(
                [
                    *problems,
                    "Nothing was changed. If something else takes care of it, write create ="
                    " false under its key of the environment file; if it is not ours, choose"
                    " another catalog. If it is ours, let the state know it, then apply again:",
                    *(f"  {it}" for it in commands),
                ]
            )
        )
