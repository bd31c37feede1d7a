"""Serving by the local workspace, beside `mlflow models serve` and the model in this process.

`python tests/benchmarks/bench_serving.py [--seconds 3] [--keras]`: one run measures everything, so
that the ratios compare like with like on whatever machine this is. Limits: issue 2, "Figures".
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY))

from tests.plugin import models  # noqa: E402 - a script outside of pytest
from tests.plugin.workspaces import (  # noqa: E402 - a script outside of pytest
    ENDPOINTS,
    KERAS,
    TORCH,
    RunningWorkspace,
    entity,
    eventually,
    gateway,
    started,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 8
ROUNDS = 10
MALFORMED = 10_000
PIXELS = random.Random(0)  # noqa: S311 - an image, not a secret
IMAGE = [[[round(PIXELS.random(), 8)] for _ in range(28)] for _ in range(28)]
BODY = json.dumps({"inputs": [IMAGE]}).encode()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    port: int
    path: str
    token: str = ""

    def request(self, body: bytes) -> bytes:
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    requests: int
    rate: float
    p50_ms: float
    p95_ms: float


class Client(asyncio.Protocol):
    """Sends one request after the other: cheap, because it shares the machine with the server."""

    def __init__(self, request: bytes, until: float) -> None:
        self._request = request
        self._until = until
        self._received = bytearray()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.seconds: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send()

    def _send(self) -> None:
        self._received.clear()
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = bytes(self._received).partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if not separator or length is None or len(body) < int(length[1]):
            return
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            self.done.set_exception(RuntimeError(bytes(self._received[:500]).decode()))
            return
        now = time.perf_counter()
        self.seconds.append(now - self._sent)
        if now < self._until:
            self._send()
        else:
            self._transport.close()
            self.done.set_result(None)


def measure(target: Target, clients: int, seconds: float) -> Measured:
    async def run() -> list[float]:
        loop = asyncio.get_running_loop()
        until = time.perf_counter() + seconds
        connected = []
        for _ in range(clients):
            _, client = await loop.create_connection(
                lambda: Client(target.request(BODY), until), "127.0.0.1", target.port
            )
            connected.append(client)
        await asyncio.gather(*(client.done for client in connected))
        return sorted(second for client in connected for second in client.seconds)

    started_at = time.perf_counter()
    latencies = asyncio.run(run())
    return Measured(
        requests=len(latencies),
        rate=len(latencies) / (time.perf_counter() - started_at),
        p50_ms=statistics.median(latencies) * 1000,
        p95_ms=latencies[int(len(latencies) * 0.95)] * 1000,
    )


def in_process(registry: str, model: str, calls: int) -> float:
    """p50 in milliseconds of `PyFuncModel.predict` in a process of its own."""
    code = (
        "import json, statistics, sys, time, mlflow, numpy\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model(f'models:/{sys.argv[2]}/1')\n"
        "image = numpy.array(json.load(sys.stdin)['inputs'], dtype=numpy.float32)\n"
        "times = []\n"
        "for _ in range(int(sys.argv[3])):\n"
        "    start = time.perf_counter(); model.predict(image)\n"
        "    times.append(time.perf_counter() - start)\n"
        "print('p50', statistics.median(times[len(times) // 5:]) * 1000)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, registry, model, str(calls)],
        input=BODY,
        capture_output=True,
        check=True,
    ).stdout.decode()
    found = re.search(r"p50 (\S+)", output)
    if found is None:
        raise RuntimeError(output)
    return float(found[1])


@contextlib.contextmanager
def mlflow_serving(registry: str, model: str) -> Iterator[Target]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{model}/1"]
    # MLflow looks for uvicorn on the path.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        [*command, "--port", str(port), "--env-manager", "local"],
        env={**os.environ, "MLFLOW_TRACKING_URI": registry, "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        if not eventually(lambda: _listens(port) or process.poll() is not None) or process.poll():
            raise RuntimeError(f"mlflow models serve does not start (status {process.poll()})")
        yield Target(port=port, path="/invocations")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def register(folder: Path, kinds: list[str]) -> str:
    for kind in kinds:
        process = models.register(kind, folder)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    return models.registry_uri(folder)


def target(workspace: RunningWorkspace, endpoint: str) -> Target:
    port = int(workspace.host.rpartition(":")[2])
    path = f"/serving-endpoints/{endpoint}/invocations"
    return Target(port=port, path=path, token=workspace.token)


def malformed(number: int) -> bytes:
    """One of endlessly many bodies that no image model can take."""
    draw = random.Random(number)  # noqa: S311 - reproducible, not secret
    match number % 8:
        case 0:
            return BODY[: draw.randrange(len(BODY) - 1)]
        case 1:
            shape = [draw.randrange(4) for _ in range(draw.randrange(1, 4))]
            value: Any = 0.5
            for size in shape:
                value = [value] * size
            return json.dumps({"inputs": value}).encode()
        case 2:
            return BODY.replace(b"0.", draw.choice([b"NaN", b"-Infinity", b"nan"]), 1)
        case 3:
            depth = draw.randrange(1, 3000)
            return b'{"inputs": ' + b"[" * depth + b"]" * depth + b"}"
        case 4:
            number_text = b"9" * draw.randrange(40, 400)
            return BODY.replace(b"[[[[", b"[[[[" + number_text, 1)
        case 5:
            place = draw.randrange(12, len(BODY))
            return BODY[:place] + bytes([draw.randrange(0x80, 0x100)]) + BODY[place:]
        case 6:
            keys = ["inputs", "instances", "dataframe_split", "dataframe_records", "x"]
            values = [None, 1, "a", [], {}, [[]], {"data": 1}, [{"a": [1]}]]
            return json.dumps({draw.choice(keys): draw.choice(values)}).encode()
        case _:
            return bytes(draw.randrange(256) for _ in range(draw.randrange(200)))


def refuse_malformed(workspace: RunningWorkspace, endpoint: str) -> tuple[dict[int, int], int]:
    """Statuses of the answers by count, and how many processes died."""
    before = set(workspace.workers())
    statuses: dict[int, int] = {}
    for number in range(MALFORMED):
        response = workspace.client.post(
            f"/serving-endpoints/{endpoint}/invocations",
            content=malformed(number),
            headers={"Content-Type": "application/json"},
        )
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
    return statuses, len(before - set(workspace.workers()))


def resident_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def report(what: str, value: str, limit: str) -> None:
    print(f"{what:<58} {value:>22}   limit {limit}", flush=True)


def bench_model(registry: str, folder: Path, model: str, seconds: float) -> None:
    name = model.rpartition(".")[2]
    alone_ms = in_process(registry, model, 300)
    with mlflow_serving(registry, model) as served:
        measure(served, 1, 1)
        peer = measure(served, CLIENTS, seconds)
    with started(folder / f"serve-{name}", registry, "--delivery-seconds", "1") as start:
        (folder / f"serve-{name}").mkdir()
        workspace = start()
        workspace.create_schema("local", "gold")
        workspace.create("plain", entity(model))
        workspace.create("logged", entity(model), ai_gateway=gateway(name))
        plain, logged = target(workspace, "plain"), target(workspace, "logged")
        measure(plain, 1, 1)
        single = measure(plain, 1, seconds)
        # In pairs, so that what else runs on the machine meets both; in turn first. Delivery is
        # waited for, so that none of it falls into the turn of the endpoint without a table.
        pairs = []
        rows = 0
        for turn in range(ROUNDS):
            order = (plain, logged) if turn % 2 else (logged, plain)
            rates = {}
            for it in order:
                measured = measure(it, CLIENTS, seconds)
                rates[it.path] = measured.rate
                if it is logged:
                    rows += measured.requests
                    await_rows(workspace, f"local.gold.{name}_payload", rows)
            pairs.append((rates[plain.path], rates[logged.path]))
    rate = statistics.median(plain for plain, _ in pairs)
    cost = statistics.median(1 - logged / plain for plain, logged in pairs)
    report(
        f"{name}: throughput at {CLIENTS} clients / mlflow models serve",
        f"{rate:.0f} / {peer.rate:.0f} = {rate / peer.rate:.1f}x",
        ">= 3x",
    )
    report(
        f"{name}: p50 of a request - p50 in process",
        f"{single.p50_ms:.2f} - {alone_ms:.2f} = {single.p50_ms - alone_ms:.2f} ms",
        "<= 2 ms",
    )
    report(
        f"{name}: throughput that payload logging costs",
        f"{cost:.1%}",
        "<= 10 %",
    )


def await_rows(workspace: RunningWorkspace, table: str, rows: int) -> None:
    """Return when the inference table has that many rows: as many as requests were answered."""
    found = eventually(
        lambda: workspace.sql(f"SELECT count(*) FROM {table}"),
        lambda result: result == [[str(rows)]],
        seconds=300,
    )
    if found != [[str(rows)]]:
        raise RuntimeError(f"{table} has {found} rows, and {rows} requests were answered")


def bench_workspace(registry: str, folder: Path) -> None:
    begun = time.perf_counter()
    (folder / "workspace").mkdir()
    with started(folder / "workspace", registry) as start:
        workspace = start()
        workspace.client.get(ENDPOINTS).raise_for_status()
        ready = time.perf_counter() - begun
        report("workspace: start to first answered call", f"{ready:.1f} s", "<= 3 s")
        memory = resident_mb(workspace.process.pid)
        report("workspace: idle memory", f"{memory:.0f} MB", "<= 400 MB")
        workspace.create("malformed", entity(TORCH))
        statuses, died = refuse_malformed(workspace, "malformed")
        report(f"workspace: {MALFORMED:,} malformed requests, statuses", str(statuses), "4xx alone")
        report("workspace: processes that died of them", str(died), "0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement")
    parser.add_argument("--keras", action="store_true", help="also the Keras model")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        models = {"torch": TORCH, **({"keras": KERAS} if arguments.keras else {})}
        registry = register(folder, list(models))
        bench_workspace(registry, folder)
        for model in models.values():
            bench_model(registry, folder, model, arguments.seconds)


if __name__ == "__main__":
    main()
