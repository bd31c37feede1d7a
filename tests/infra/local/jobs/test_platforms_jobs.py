"""The platform's own jobs, as Terraform sends them, run in the local workspace."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.local.jobs.client import JOBS, git
from tests.plugin.workspaces import REPOSITORY, RunningWorkspace, eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.films import Arrays, Folder
    from tests.plugin.ingestion import Place

pytestmark = pytest.mark.programs


@pytest.fixture
def run(
    place: Place,
    workspace_process: RunningWorkspace,
    app: Any,
    synthesize: Callable[[Any], Any],
    tmp_path: Path,
) -> Callable[..., None]:
    """Runs a job of the platform by the beginning of its name, from a repository of this code."""
    from infra.declared.environment import load
    from infra.stacks import PlatformStack

    declared = synthesize(PlatformStack(app, load(place.file)))["resource"]["databricks_job"]
    source = {
        "git_url": str(committed(tmp_path / "repository", place.file)),
        "git_provider": "gitHub",
        "git_branch": "main",
    }
    client = workspace_process.client

    def run(name: str, seconds: float, **parameters: str) -> None:
        (job,) = (it for it in declared.values() if it["name"].startswith(name))
        tasks = [
            {name: it for name, it in task.items() if name not in {"library", "job_cluster_key"}}
            for task in job["task"]
        ]
        described = {"tasks": tasks, "parameters": job["parameter"], "git_source": source}
        created = client.post(f"{JOBS}/create", json=described)
        assert created.status_code == 200, created.text
        given = {"environment": place.file.stem, **parameters}
        started = client.post(f"{JOBS}/run-now", json={**created.json(), "job_parameters": given})

        ended = eventually(
            lambda: client.get(f"{JOBS}/runs/get", params=started.json()).json(),
            lambda it: it["state"]["life_cycle_state"] == "TERMINATED",
            seconds=seconds,
        )

        assert ended["state"]["result_state"] == "SUCCESS", ended["state"]
        # A job that fails at first, and succeeds when it is tried again, is no sound job.
        assert {it["attempt_number"] for it in ended["tasks"]} == {0}

    return run


def test_the_ingestion_job_ingests(place: Place, folder: Folder, run: Callable[..., None]) -> None:
    film = folder.add("train/NORMAL/IM-0115-0001.jpeg")
    # Twice the same film, as in the bundled file, which is the job's default.
    shutil.copy(film, film.with_name("IM-0116-0001.jpeg"))

    run("Ingest", 100, source=str(folder.root))

    assert len(place.rows()) == 1


@pytest.mark.slow("two trainings of a few hundred films, in jobs of a workspace: 2 minutes")
def test_the_retraining_job_registers_versions_that_can_be_served(
    place: Place, few_films: Arrays, write_npz: Callable[..., Path], run: Callable[..., None]
) -> None:
    from infra.declared.environment import load

    environment = load(place.file)
    place.client.schemas.create(environment.models_schema, place.catalog)
    run("Ingest", 200, source=str(write_npz(**few_films)))

    run("Retrain", 900)

    for arm in ("pneumonia_poc_classifier", "pneumonia_poc_classifier_pytorch"):
        (version,) = place.client.model_versions.list(environment.full_model_name(arm))
        assert version.status is not None
        assert (version.version, version.status.value) == (1, "READY")


def committed(folder: Path, environment: Path) -> Path:
    """A repository of what is in this one, and of an environment."""
    for name in ("infra", "ml"):
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(environment, folder / "infra" / "environments")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=n", "-c", "user.email=e@e", "commit", "--quiet", "-m", "c")
    return folder
