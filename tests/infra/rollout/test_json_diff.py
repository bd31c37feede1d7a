"""The difference of the synthesized JSON between a revision of Git and the working tree."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from infra.rollout import json_diff
from infra.rollout.json_diff import differences
from infra.rollout.refusal import Refused
from tests.infra.test_main import project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the project in it, as `main`."""
    root = project(tmp_path / "here")
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "."],
        [*identity, "commit", "--quiet", "-m", "as it was"],
    ):
        subprocess.run(["git", *command], cwd=root, check=True)
    monkeypatch.setattr(json_diff, "ROOT", root)
    return root


@pytest.mark.programs
@pytest.mark.slow("synthesizes every environment twice")
def test_what_an_edit_does_is_shown_and_the_output_of_others_is_left_alone(
    repository: Path,
) -> None:
    dev = repository / "infra" / "environments" / "dev.toml"
    dev.write_text(dev.read_text().replace("traffic       = 50", "traffic = 10"))

    [found] = differences("main", None)

    assert "+++ b/serving-dev/cdk.tf.json" in found
    assert '-                "traffic_percentage": 50' in found
    assert '+                "traffic_percentage": 90' in found
    assert list(differences("main", "prod")) == []
    assert not (repository / "cdktf.out").exists()


@pytest.mark.programs
def test_a_revision_that_is_not_there_is_refused(repository: Path) -> None:
    with pytest.raises(Refused, match="git rev-parse failed"):
        list(differences("elsewhere", None))


@pytest.mark.programs
def test_what_cannot_be_synthesized_is_told_with_its_side(repository: Path) -> None:
    for environment in (repository / "infra" / "environments").glob("*.toml"):
        environment.write_text("traffic = 101")
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qam", "wrong"],
        cwd=repository,
        check=True,
    )

    with pytest.raises(Refused, match=r"main cannot be synthesized:\n.*dev\.toml"):
        list(differences("main", None))


def test_a_stack_that_comes_or_goes_is_shown_whole(tmp_path: Path) -> None:
    for side, stack in (("before", "serving-old"), ("after", "serving-new")):
        file = tmp_path / side / "stacks" / stack / "cdk.tf.json"
        file.parent.mkdir(parents=True)
        file.write_text('{\n  "a": 1\n}\n')

    sides = tmp_path / "before", tmp_path / "after"
    came, went = json_diff._diffs(*sides, None)

    assert "--- /dev/null\n+++ b/serving-new/cdk.tf.json" in came
    assert "--- a/serving-old/cdk.tf.json\n+++ /dev/null" in went
    assert list(json_diff._diffs(*sides, "old")) == [went]
    with pytest.raises(Refused, match=r"dev: neither side has such a file.*new, old"):
        list(json_diff._diffs(*sides, "dev"))
