"""Starting `python -m infra.local`, and why it may refuse to."""

from __future__ import annotations

import re
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.plugin.workspaces import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.workspaces import RunningWorkspace


def refused(*options: str) -> str:
    """What a start that must fail says."""
    result = subprocess.run(
        [sys.executable, "-m", "infra.local", *options],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.10", "example.com"])  # noqa: S104
def test_another_host_than_loopback_is_refused(host: str, tmp_path: Path) -> None:
    message = refused("--host", host, "--data", str(tmp_path))
    assert host in message
    assert "use --host 127.0.0.1" in message


def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        message = refused("--port", port, "--data", str(tmp_path))
    assert port in message
    assert "--port N" in message


def test_a_second_instance_on_the_same_data_is_refused_and_names_the_first(
    start: Callable[[], RunningWorkspace],
) -> None:
    first = start()
    message = refused("--port", "0", "--data", str(first.data))
    assert str(first.process.pid) in message
    assert str(first.data) in message


def test_a_negative_time_is_refused(tmp_path: Path) -> None:
    assert "--state-seconds" in refused("--state-seconds", "-1", "--data", str(tmp_path))


def test_the_token_is_printed_and_kept_for_its_owner_alone(
    start: Callable[[], RunningWorkspace],
) -> None:
    workspace = start()
    file = workspace.data / "token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() == workspace.token
    assert re.search(rf"token +{workspace.token}", workspace.log.read_text())
    assert re.fullmatch(r"dapi[0-9a-f]{32}", workspace.token)


def test_a_token_that_others_could_read_is_closed_again(
    start: Callable[[], RunningWorkspace],
) -> None:
    first = start()
    file = first.data / "token"
    first.kill()
    file.chmod(0o644)
    assert start().token == first.token
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_idle_workspace_uses_less_than_400_mb(start: Callable[[], RunningWorkspace]) -> None:
    workspace = start()
    assert httpx.get(f"{workspace.host}/health", timeout=60).status_code == 200
    status = Path(f"/proc/{workspace.process.pid}/status").read_text()
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident
    assert int(resident[1]) < 400 * 1024


def test_a_request_that_waits_for_a_stalled_workspace_is_answered(
    start: Callable[[], RunningWorkspace],
) -> None:
    workspace = start()
    assert workspace.client.get("/health").status_code == 200
    with ThreadPoolExecutor(1) as pool:
        workspace.process.send_signal(signal.SIGSTOP)
        asked = pool.submit(workspace.client.get, "/health")  # on the connection of the first
        time.sleep(6)
        workspace.process.send_signal(signal.SIGCONT)
        assert asked.result().status_code == 200


def test_the_first_models_may_be_created_all_at_once(start: Callable[[], RunningWorkspace]) -> None:
    workspace = start()
    workspace.create_schema("local", "first")

    def create(name: str) -> httpx.Response:
        body = {"catalog_name": "local", "schema_name": "first", "name": name}
        return workspace.client.post("/api/2.1/unity-catalog/models", json=body)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, (f"m{number}" for number in range(8))))

    assert [answer.text for answer in answers if not answer.is_success] == []
