"""Jobs of a workspace in this process, and a repository for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.infra.local.jobs.client import Jobs, commit, git

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.served import Served


@pytest.fixture
def jobs(shared_workspace: Served) -> Jobs:
    return Jobs(shared_workspace)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A Git repository with a file of a job, and a module beside it."""
    folder = tmp_path / "repository"
    (folder / "tasks").mkdir(parents=True)
    (folder / "tasks" / "task.py").write_text("import beside\nprint(beside.WHAT)\n")
    (folder / "tasks" / "beside.py").write_text("WHAT = 'of the branch'\n")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", ".")
    commit(folder)
    git(folder, "tag", "v1")
    return folder
