"""Starting `python -m infra.local`, and why it may refuse to."""

from __future__ import annotations

import asyncio
import errno
import os
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

from infra.local.__main__ import main
from infra.local.serving.process import EntityProcess
from tests.plugin.served import serving
from tests.plugin.workspaces import REPOSITORY, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.plugin.workspaces import RunningWorkspace


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[RunningWorkspace]:
    """A workspace that serves no model."""
    with started(tmp_path_factory.mktemp("workspace"), registry) as start:
        yield start()


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a start that must fail says."""

    def refused(*options: str) -> str:
        assert main(options) == 1
        return capsys.readouterr().err

    return refused


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.10", "example.com"])  # noqa: S104
def test_another_host_than_loopback_is_refused(
    refused: Callable[..., str], host: str, tmp_path: Path
) -> None:
    message = refused("--host", host, "--data", str(tmp_path))
    assert host in message
    assert "use --host 127.0.0.1" in message


def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = subprocess.run(
            [sys.executable, "-m", "infra.local", "--port", port, "--data", str(tmp_path)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert port in result.stderr
    assert "--port N" in result.stderr


def test_a_second_instance_on_the_same_data_is_refused_and_names_the_first(
    refused: Callable[..., str], running: RunningWorkspace
) -> None:
    message = refused("--port", "0", "--data", str(running.data))
    assert str(running.pid) in message
    assert str(running.data) in message


def test_a_negative_time_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "--state-seconds" in refused("--state-seconds", "-1", "--data", str(tmp_path))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("snapshot.json", b'{"version": 1, "modules": {"catalo'),
        ("snapshot.json", b""),
        ("snapshot.json", b"[]"),
        ("serving/endpoints.db", b"no database" * 1000),
        ("serving/endpoints.db", b""),
        ("system/system.duckdb", b"no database" * 1000),
        ("token", b"\xff\xfe"),
        ("token", b""),
        ("serving", b"a file in the place of a folder"),
    ],
)
def test_what_is_damaged_is_named_with_the_way_out(
    refused: Callable[..., str], tmp_path: Path, file: str, content: bytes
) -> None:
    damaged = tmp_path / "data" / file
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(content)
    message = refused("--port", "0", "--data", str(tmp_path / "data"))
    assert str(tmp_path / "data") in message
    assert "Traceback" not in message
    assert damaged.read_bytes() == content


def test_data_that_are_a_file_are_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert f"{tmp_path / 'data'}: File exists" in refused("--data", str(tmp_path / "data"))


def test_a_disk_that_can_not_be_written_is_named(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path / "data" / "lock"))

    monkeypatch.setattr(Path, "open", read_only)
    message = refused("--port", "0", "--data", str(tmp_path / "data"))
    assert f"{tmp_path / 'data' / 'lock'}: Read-only file system" in message
    assert "--data another/directory" in message


def test_what_it_keeps_is_for_its_owner_alone(running: RunningWorkspace) -> None:
    running.create_schema("owner", "alone")
    running.sql("CREATE TABLE owner.alone.t (a INT)")
    kept = [running.data, *running.data.rglob("*")]
    assert len(kept) > 10
    assert [it for it in kept if stat.S_IMODE(it.stat().st_mode) & 0o077] == []


def test_the_token_is_printed_and_kept_for_its_owner_alone(running: RunningWorkspace) -> None:
    file = running.data / "token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() == running.token
    assert re.search(rf"token +{running.token}", running.log.read_text())
    assert re.fullmatch(r"dapi[0-9a-f]{32}", running.token)


def test_a_token_that_others_could_read_is_closed_again(registry: str, tmp_path: Path) -> None:
    file = tmp_path / "data" / "token"
    with serving(tmp_path, registry) as first:
        token = first.token
    file.chmod(0o644)
    with serving(tmp_path, registry) as again:
        assert again.token == token
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.alone
def test_an_idle_workspace_uses_less_than_400_mb(start: Callable[[], RunningWorkspace]) -> None:
    workspace = start()
    assert httpx.get(f"{workspace.host}/health", timeout=60).status_code == 200
    status = Path(f"/proc/{workspace.process.pid}/status").read_text()
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident
    assert int(resident[1]) < 400 * 1024


def test_a_request_that_waits_for_a_stalled_workspace_is_answered(
    running: RunningWorkspace,
) -> None:
    assert running.client.get("/health").status_code == 200
    with ThreadPoolExecutor(1) as pool:
        running.process.send_signal(signal.SIGSTOP)
        asked = pool.submit(running.client.get, "/health")  # on the connection of the first
        time.sleep(6)  # longer than servers usually keep an idle connection
        running.process.send_signal(signal.SIGCONT)
        assert asked.result().status_code == 200


def test_the_first_models_may_be_created_all_at_once(running: RunningWorkspace) -> None:
    running.create_schema("local", "first")

    def create(name: str) -> httpx.Response:
        body = {"catalog_name": "local", "schema_name": "first", "name": name}
        return running.client.post("/api/2.1/unity-catalog/models", json=body)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, (f"m{number}" for number in range(8))))

    assert [answer.text for answer in answers if not answer.is_success] == []


@pytest.mark.programs
def test_an_interruption_while_it_opens_is_not_lost(tmp_path: Path) -> None:
    """Before uvicorn listens for one."""
    interrupted = (
        "import signal, sys; import infra.local.__main__ as it; welcome = it._welcome\n"
        "it._welcome = lambda *a: (welcome(*a), signal.raise_signal(signal.SIGINT))\n"
        f"sys.exit(it.main(['--port', '0', '--data', {str(tmp_path / 'data')!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", interrupted],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(
        "Stopping: endpoints and undelivered rows stay for the next start.\n"
    )


def test_a_process_that_nobody_waits_for_any_more_ends_without_a_trace() -> None:
    """Another entity of the update has failed while this one was starting."""

    async def end() -> bool:
        process = EntityProcess()
        process._hello.cancel()
        process.connection_lost(None)
        return process.ended.done()

    assert asyncio.run(end())
