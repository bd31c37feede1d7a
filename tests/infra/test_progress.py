"""What takes a while says so, and nothing else."""

from __future__ import annotations

import time

import pytest

import infra.progress
from infra.progress import progress


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Work"):
        pass
    assert capsys.readouterr() == ("", "")


def test_what_takes_longer_says_what_it_is_and_that_it_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infra.progress, "_QUICK_SECONDS", 0.0)
    monkeypatch.setattr(infra.progress, "_DOT_SECONDS", 0.01)
    shown = ""
    with progress("Work"):
        while "Work ....." not in shown:
            shown += capsys.readouterr().err
            time.sleep(0.005)
    out, err = capsys.readouterr()
    assert (out, (shown + err)[-1]) == ("", "\n")


def test_it_is_never_silent_for_two_seconds() -> None:
    assert infra.progress._QUICK_SECONDS <= infra.progress._DOT_SECONDS < 2
