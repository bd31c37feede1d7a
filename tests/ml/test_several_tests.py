"""Commands that are about one A/B test, where the environment declares several."""

from pathlib import Path

import pytest

from tests.infra.several import SEVERAL
from tests.plugin.commands import Call

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
