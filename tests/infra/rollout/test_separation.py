"""A change moves traffic, or changes what judges the move: by a real Git."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.declared.environment import load
from infra.rollout.refusal import Refused
from infra.rollout.separation import JUDGES, require_separate
from tests.infra.rollout.trial import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., None]:
    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    return git


@pytest.fixture
def dev(tmp_path: Path, git: Callable[..., None]) -> Path:
    """At 20 percent on `main`, in a change that begins."""
    file = tmp_path / "infra" / "environments" / "dev.toml"
    file.parent.mkdir(parents=True)
    file.write_text(ENVIRONMENT.format(traffic=20), encoding="utf-8")
    git("init", "--quiet", "-b", "main")
    git("add", ".")
    git("commit", "--quiet", "-m", "Before")
    git("switch", "--quiet", "-c", "change")
    return file


def write(root: Path, path: str, text: str = "x") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")


def move(dev: Path, traffic: int = 50, **replacements: str) -> None:
    text = ENVIRONMENT.format(traffic=traffic)
    for old, new in replacements.items():
        text = text.replace(old, new)
    before = load(dev)
    dev.write_text(text, encoding="utf-8")
    require_separate(dev, before, load(dev), "main")


@pytest.mark.parametrize(
    "touched",
    [
        "ml/verdict/rule.py",
        "infra/rollout/verify.py",
        "infra/declared/destruction.py",
        ".github/workflows/plan.yml",
        "requirements-rollout.lock",
    ],
)
def test_a_judge_and_a_move_in_one_change_are_refused(
    dev: Path, git: Callable[..., None], tmp_path: Path, touched: str
) -> None:
    write(tmp_path, touched)
    git("add", ".")
    git("commit", "--quiet", "-m", "A better judge")

    with pytest.raises(Refused, match=f"it changes what judges the move as well: {touched}"):
        move(dev)


@pytest.mark.parametrize(
    ("traffic", "replacements"),
    [(5, {}), (20, {"version       = 2": "version       = 3"})],
    ids=["less", "another version"],
)
def test_every_other_share_is_a_move(
    dev: Path,
    git: Callable[..., None],
    tmp_path: Path,
    traffic: int,
    replacements: dict[str, str],
) -> None:
    write(tmp_path, "ml/verdict/rule.py")
    git("add", ".")

    with pytest.raises(Refused, match="a change of its own"):
        move(dev, traffic, **replacements)


def test_a_move_and_what_judges_nothing_pass(
    dev: Path, git: Callable[..., None], tmp_path: Path
) -> None:
    write(tmp_path, "docs/rollout.md")
    write(tmp_path, "infra/environments/decisions/dev/torch-2-50.json")
    git("add", ".")

    move(dev)


def test_a_judge_that_changes_without_a_move_passes(
    dev: Path, git: Callable[..., None], tmp_path: Path
) -> None:
    write(tmp_path, "ml/verdict/rule.py")
    git("add", ".")

    move(dev, 20)


def test_what_changed_on_main_meanwhile_is_not_of_this_change(
    dev: Path, git: Callable[..., None], tmp_path: Path
) -> None:
    git("switch", "--quiet", "main")
    write(tmp_path, "ml/verdict/rule.py")
    git("add", ".")
    git("commit", "--quiet", "-m", "Meanwhile")
    git("switch", "--quiet", "change")

    move(dev)


def test_a_repository_that_is_put_inside_a_judge_is_seen_whatever_the_change_says_of_it(
    dev: Path, git: Callable[..., None]
) -> None:
    text = '[submodule "more"]\n\tpath = ml/verdict/more\n\turl = ./more\n\tignore = all\n'
    write(dev.parents[2], ".gitmodules", text)
    git("add", ".gitmodules")
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},ml/verdict/more")
    (dev.parents[2] / "ml" / "verdict" / "more").mkdir(parents=True)
    git("commit", "--quiet", "-m", "More")

    with pytest.raises(Refused, match="ml/verdict/more"):
        move(dev)


@pytest.mark.parametrize("judge", JUDGES)
def test_every_judge_is_where_it_is_said_to_be(judge: str) -> None:
    assert (ROOT / judge).exists()
