"""What people see of a status."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from infra.rollout.status import Arm, Status
from infra.rollout.terraform_state import TerraformState
from infra.rollout.view import show_status

if TYPE_CHECKING:
    import pytest


def test_at_80_columns_arms_that_differ_at_their_ends_stay_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"{'pneumonia_classifier_of_all_hospitals' * 2}_{version}" for version in (12, 13)]
    arms = [Arm(served_entity=it, version="1", percent=50, deployment="READY") for it in names]
    status = Status(endpoint="one", ready="READY", update="", arms=tuple(arms), drifts=())

    show_status([status], TerraformState(endpoints={}))

    lines = capsys.readouterr().out.splitlines()
    shown = "".join(line.split("│")[1].strip() for line in lines if line.startswith("│"))
    assert re.findall(r"\S+?_\d\d", shown.replace(names[0], names[0] + " ")) == names
