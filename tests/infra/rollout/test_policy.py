"""`python -m infra.rollout policy`: what it says about files that hold plans."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from infra.rollout.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENDPOINT = "databricks_model_serving.ab-test"
DESTROYED = {
    "address": ENDPOINT,
    "type": "databricks_model_serving",
    "mode": "managed",
    "change": {"actions": ["delete", "create"], "before": {"id": "ab"}},
}

Said = Callable[..., tuple[int, str]] if TYPE_CHECKING else None


@pytest.fixture
def policy(
    environment: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Said:
    def policy(text: str, *replacements: tuple[str, str]) -> tuple[int, str]:
        (file := tmp_path / "plan.json").write_text(text, encoding="utf-8")
        written = environment(20, *replacements)
        status = main(["policy", "--environment", str(written), str(file)])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return policy


def test_a_destruction_is_refused_and_allowed_by_its_address(policy: Said) -> None:
    plan = json.dumps({"planned_values": {}, "resource_changes": [DESTROYED]})
    line = f'may_destroy = ["{ENDPOINT}"]\n'

    status, refused = policy(plan)
    assert status == 1
    assert line.strip() in refused
    status, said = policy(plan, ("catalog = ", f"{line}catalog = "))
    assert status == 0
    assert "but what the file names" in said


def test_a_word_that_stayed_behind_is_told(policy: Said) -> None:
    line = f'may_destroy = ["{ENDPOINT}"]\n'

    status, said = policy('{"planned_values": {}}', ("catalog = ", f"{line}catalog = "))

    assert status == 0
    assert f"may_destroy names {ENDPOINT}, which nothing here destroys" in said


@pytest.mark.parametrize("text", ["", "[]", "{}", "{"])
def test_what_is_no_plan_is_refused_in_one_line(policy: Said, text: str) -> None:
    status, said = policy(text)

    assert status == 1
    assert "terraform show -json" in said
    assert len(said.splitlines()) == 1


def test_an_address_of_nothing_that_holds_data_is_refused(policy: Said) -> None:
    line = 'may_destroy = ["databricks_grants.it"]\n'

    status, said = policy("{}", ("catalog = ", f"{line}catalog = "))

    assert status == 1
    assert "may_destroy[0]" in said
