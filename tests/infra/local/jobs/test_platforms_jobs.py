"""The platform's own ingestion job, as Terraform sends it, runs in the local workspace."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.local.jobs.client import JOBS, git
from tests.plugin.workspaces import REPOSITORY, RunningWorkspace, eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.films import Folder
    from tests.plugin.ingestion import Place

pytestmark = pytest.mark.programs


def test_the_ingestion_job_ingests(
    place: Place,
    workspace_process: RunningWorkspace,
    folder: Folder,
    app: Any,
    synthesize: Callable[[Any], Any],
    tmp_path: Path,
) -> None:
    from infra.declared.environment import load
    from infra.stacks import PlatformStack

    folder.add("train/NORMAL/IM-0115-0001.jpeg")
    declared = synthesize(PlatformStack(app, load(place.file)))["resource"]["databricks_job"]
    (job,) = (it for it in declared.values() if it["name"].startswith("Ingest"))
    tasks = [
        {name: it for name, it in task.items() if name not in {"library", "job_cluster_key"}}
        for task in job["task"]
    ]
    source = {
        "git_url": str(committed(tmp_path / "repository")),
        "git_provider": "gitHub",
        "git_branch": "main",
    }
    client = workspace_process.client
    created = client.post(
        f"{JOBS}/create",
        json={"tasks": tasks, "parameters": job["parameter"], "git_source": source},
    )
    given = {"environment": str(place.file), "source": str(folder.root)}
    started = client.post(f"{JOBS}/run-now", json={**created.json(), "job_parameters": given})

    run = eventually(
        lambda: client.get(f"{JOBS}/runs/get", params=started.json()).json(),
        lambda it: it["state"]["life_cycle_state"] == "TERMINATED",
        seconds=100,
    )

    said = client.get(f"{JOBS}/runs/get-output", params=started.json()).json()
    assert run["state"]["result_state"] == "SUCCESS", said
    assert len(place.rows()) == 1


def committed(folder: Path) -> Path:
    """A repository of what is in this one."""
    for name in ("infra", "ml"):
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=n", "-c", "user.email=e@e", "commit", "--quiet", "-m", "c")
    return folder
