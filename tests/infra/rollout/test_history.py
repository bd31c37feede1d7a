"""What an environment file was, by a real Git."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.rollout import history, rollback, settings
from infra.rollout.environment_file import EnvironmentFile
from infra.rollout.refusal import Refused
from ml.contract.task import TASKS

Write = Callable[..., Path]


@pytest.fixture
def commit(environment: Write) -> Callable[..., Path]:
    """Writes the file with a share, or another text, and commits it."""

    def git(folder: Path, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)

    def commit(message: str, traffic: int = 20, text: str | None = None) -> Path:
        file = environment(traffic)
        if text is not None:
            file.write_text(text)
        if not (file.parent / ".git").exists():
            git(file.parent, "init", "--quiet")
        git(file.parent, "add", file.name)
        git(file.parent, "commit", "--quiet", "-m", message)
        return file

    return commit


def live_of(file: Path) -> settings.Settings:
    environment = EnvironmentFile(file).environment
    return settings.declared(environment, environment.ab_test)


def test_the_past_comes_newest_first_without_what_could_not_be_deployed(
    commit: Callable[..., Path],
) -> None:
    commit("Five", 5)
    commit("A slip", text="catalog = 1\n")
    file = commit("Twenty", 20)

    assert [it.subject for it in history.commits(file)] == ["Twenty", "Five"]


def test_a_revision_that_there_is_not_is_one_message(commit: Callable[..., Path]) -> None:
    file = commit("Twenty")

    with pytest.raises(Refused, match="unknown revision") as refused:
        history.at(file, "nonsense")
    assert "\n" not in str(refused.value)


def test_a_file_outside_of_git_has_no_past(environment: Write) -> None:
    with pytest.raises(Refused, match="not a git repository"):
        list(history.commits(environment(20)))


class TestRollback:
    def test_goes_to_the_newest_commit_that_is_live(self, commit: Callable[..., Path]) -> None:
        served = live_of(commit("Five", 5))
        file = commit("Twenty", 20)

        target = rollback.target(file, EnvironmentFile(file).environment, served)

        assert target.subject == "Five"

    def test_of_what_is_live_goes_to_what_was_before(self, commit: Callable[..., Path]) -> None:
        commit("One", 1)
        commit("Five", 5)
        file = commit("Twenty", 20)

        target = rollback.target(file, EnvironmentFile(file).environment, live_of(file))

        assert target.subject == "Five"

    def test_brings_every_byte_back(self, commit: Callable[..., Path]) -> None:
        before = commit("Five", 5).read_bytes()
        file = commit("Twenty", 20)

        rollback.restore(file, history.at(file, "HEAD~1"))

        assert file.read_bytes() == before

    def test_without_an_endpoint_nothing_was_deployed(self, commit: Callable[..., Path]) -> None:
        file = commit("Twenty", 20)

        with pytest.raises(Refused, match="--to COMMIT"):
            rollback.target(file, EnvironmentFile(file).environment, None)


def test_the_past_knows_the_task_beside_the_file(commit: Callable[..., Path]) -> None:
    file = commit("Five", 5)
    text = file.read_text()
    shipped = (TASKS / "pneumonia.toml").read_text()
    (file.parent / "mine.toml").write_text(shipped.replace("PNEUMONIA", "TB"))
    commit("Mine", text=text.replace("[ab_test]\n", '[ab_test]\ntask = "mine.toml"\n', 1))

    assert [it.subject for it in history.commits(file)] == ["Mine", "Five"]
