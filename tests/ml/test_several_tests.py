"""Commands that are about one A/B test, where the environment declares several."""

from pathlib import Path

import pytest

from ml.contract.errors import UserError
from tests.infra.several import SEVERAL
from tests.plugin.commands import Call

EXPERIMENT = """
primary_metric  = "sensitivity"
maximum_labels  = 1000
minimum_per_arm = 20

[champion]
model   = "trees"
version = 3

[challenger]
model   = "linear"
version = 2

[split]
since      = 2026-01-01T00:00:00Z
champion   = 95
challenger = 5

[margins]
sensitivity = 0.05
specificity = 0.15

[expected]
prevalence  = 0.4
champion    = { sensitivity = 0.8, specificity = 0.8 }
challenger  = { sensitivity = 0.9, specificity = 0.9 }
"""
SAMPLE = Path(__file__).parents[2] / "docs" / "samples" / "normal.png"


@pytest.fixture
def several(tmp_path: Path) -> Path:
    file = tmp_path / "several.toml"
    file.write_text(SEVERAL, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "command",
    [
        ("ml.arms",),
        ("ml.predict", SAMPLE),
        ("ml.reading_room.__main__",),
        ("ml.compare", "pneumonia_ab"),
        ("ml.replay", "pneumonia_replay"),
    ],
    ids=lambda command: str(command[0]),
)
def test_without_a_name_one_line_names_the_tests(
    several: Path, run_main: Call, command: tuple[object, ...]
) -> None:
    done = run_main(*command, "--environment", several)

    assert done.status == 1
    assert done.err.strip().endswith(
        "several.toml declares several A/B tests: name one of them, --test ab_test or "
        "--test second_test."
    )


def test_a_name_is_enough(several: Path, run_main: Call) -> None:
    done = run_main("ml.arms", "--environment", several, "--test", "second_test")

    assert "c.models.trees has no version 3" in done.err


def test_a_replay_finds_the_test_that_serves_its_arms(
    several: Path, run_main: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = tmp_path / "trial.toml"
    trial.write_text(EXPERIMENT, encoding="utf-8")

    def connect(*_: object, test: str | None, endpoint: str, **__: object) -> None:
        raise UserError(f"asked {endpoint} of {test}")

    monkeypatch.setattr("ml.client.PredictionClient.connect", connect)

    done = run_main("ml.replay", trial, "--environment", several)

    assert "asked columns of second_test" in done.err
