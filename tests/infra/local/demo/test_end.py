"""However the demo ends, its workspace ends with it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from infra.local.demo import __main__ as demo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """What has been stopped, of a demo whose steps are none."""
    stopped: list[str] = []

    @contextlib.contextmanager
    def workspace() -> Iterator[None]:
        try:
            yield
        finally:
            stopped.append("workspace")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["demo"])
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    monkeypatch.setattr(demo, "prepare", lambda folder: folder.mkdir(parents=True))
    monkeypatch.setattr(demo, "_workspace", workspace)
    monkeypatch.setattr(demo, "forget_other_workspaces", lambda: None)
    before = {it: signal.getsignal(it) for it in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    yield stopped
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_workspace_too(
    number: signal.Signals,
    stopped: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo, "_demonstrate", lambda *_, **__: os.kill(os.getpid(), number))

    assert demo.main() == 130
    assert stopped == ["workspace"]
    assert "what was trained and deployed stays" in capsys.readouterr().out


def test_its_workspace_has_ended_before_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class Server:
        def __init__(self, *_: object, **__: object) -> None: ...

        def terminate(self) -> None:
            said.append("end")

        def wait(self) -> None:
            said.append("ended")

    (tmp_path / "token").write_text("dapi")
    monkeypatch.setenv("DATABRICKS_TOKEN", "")
    monkeypatch.setenv("DATABRICKS_HOST", "")
    monkeypatch.setattr(demo, "_answers", lambda _: False)
    monkeypatch.setattr(demo, "_wait_for", lambda *_: None)
    monkeypatch.setattr(demo, "token_file", lambda: tmp_path / "token")
    monkeypatch.setattr(demo, "WorkspaceClient", lambda **_: None)
    monkeypatch.setattr(demo.subprocess, "Popen", Server)

    with pytest.raises(KeyboardInterrupt), demo._workspace():
        raise KeyboardInterrupt

    assert said == ["end", "ended"]
