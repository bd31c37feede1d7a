"""One operating system process that serves one model version."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import multiprocessing
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from infra.local.serving import worker
from infra.local.serving.frames import Frame, FrameBuffer, pack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.context import ForkServerProcess, SpawnProcess
    from pathlib import Path

_STOP_SECONDS = 5.0
_CONTEXT = (
    multiprocessing.get_context("forkserver")
    if sys.platform == "linux"
    else multiprocessing.get_context("spawn")  # macOS's frameworks do not survive a fork
)
_CONTEXT.set_forkserver_preload(["infra.local.serving.template"])
# The first start waits for the template. One thread, since multiprocessing looks at the ends of
# all processes when it starts another, and two who look at once disagree.
_STARTER = ThreadPoolExecutor(1, "served-entity-start")
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


class EntityFailed(RuntimeError):
    """The model could not be loaded; the text is the reason."""


class EntityDied(ConnectionError):
    """The process ended while it owed an answer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Launch:
    """Everything a process needs to serve one model version."""

    model: str
    build_log: Path
    service_log: Path
    concurrency: int
    threads: int
    variables: Mapping[str, str]
    """Environment variables of the served entity, secrets resolved."""

    def environment(self) -> dict[str, str]:
        """The variables of the process, those of the served entity over the workspace's own."""
        return {**base_environment(self.threads), **self.variables}


def base_environment(threads: int) -> dict[str, str]:
    """Nothing of the workspace's own environment but what a process can not do without."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, **dict.fromkeys(_THREAD_VARIABLES, str(threads)), "PYTHONUNBUFFERED": "1"}


class EntityProcess(asyncio.Protocol):
    """Starts the process, hands it calls, and notices its end."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer()
        self._ids = itertools.count()
        self._owed: dict[int, asyncio.Future[Frame]] = {}
        loop = asyncio.get_running_loop()
        self._hello: asyncio.Future[Frame] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done when the process can answer no more."""
        self._transport: asyncio.WriteTransport | None = None
        self._process: ForkServerProcess | SpawnProcess | None = None
        self._exit: asyncio.Task[int | None] | None = None
        """Done when the process is gone; its exit status, or minus the signal that killed it."""
        self.signature: dict[str, Any] | None = None

    @classmethod
    async def start(cls, launch: Launch, *, timeout_seconds: float) -> EntityProcess:
        """Return when the model is loaded; raise `EntityFailed` if it can not be."""
        launch.build_log.parent.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self = cls()
        process = _CONTEXT.Process(
            target=worker.main,
            args=(
                theirs,
                launch.model,
                launch.concurrency,
                launch.environment(),
                launch.build_log.resolve(),
                launch.service_log.resolve(),
            ),
            daemon=True,  # whatever way the workspace ends, it waits for none of them
        )

        def begin() -> None:
            with theirs:
                process.start()

        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(_STARTER, begin)
        except BaseException:
            ours.close()  # a process that starts nevertheless ends by this
            raise
        self._process = process
        self._exit = asyncio.create_task(_end_of(process))
        await loop.create_unix_connection(lambda: self, sock=ours)
        try:
            async with asyncio.timeout(timeout_seconds):
                hello = await self._hello
        except TimeoutError:
            await self.stop()
            raise EntityFailed(f"The model did not load within {timeout_seconds:g} s.") from None
        except EntityDied:
            status = await self._exit
            raise EntityFailed(
                f"The process ended while loading the model (exit status {status}). "
                f"See the build log."
            ) from None
        except asyncio.CancelledError:
            await self.stop()
            raise
        if reason := hello.fields.get("failed"):
            await self.stop()
            raise EntityFailed(str(reason))
        self.signature = hello.fields["signature"]
        return self

    @property
    def pid(self) -> int | None:
        """The process's number; None before it has started."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return not self.ended.done()

    async def score(self, content_type: str, body: bytes) -> Frame:
        """The answer to one call; raise `EntityDied` if the process ends before giving it."""
        if self._transport is None or not self.alive:
            raise EntityDied
        call_id = next(self._ids)
        owed: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._owed[call_id] = owed
        try:
            self._transport.writelines(pack({"id": call_id, "content_type": content_type}, body))
            return await owed
        finally:
            del self._owed[call_id]

    async def stop(self) -> None:
        """Close the connection, upon which the process ends; kill it if it does not."""
        if self._transport is not None:
            self._transport.close()
        if self._exit is None:
            return
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await asyncio.shield(self._exit)
        except TimeoutError:
            self.kill()
            await asyncio.shield(self._exit)

    def kill(self) -> None:
        """Ends it at once, where it has not ended."""
        if self._process is not None and self._exit is not None and not self._exit.done():
            self._process.kill()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the socket is open."""
        self._transport = transport  # type: ignore[assignment] # a stream socket's transport

    def data_received(self, data: bytes) -> None:
        """asyncio: hands every whole frame to whom it is owed."""
        for frame in self._buffer.feed(data):
            call_id = frame.fields.get("id")
            owed = self._hello if call_id is None else self._owed.get(call_id)
            if owed is not None and not owed.done():
                owed.set_result(frame)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """asyncio: nothing more comes, so that all that is owed fails."""
        for owed in (self._hello, *self._owed.values()):
            if not owed.done():
                owed.set_exception(EntityDied())
        if not self._hello.cancelled():  # nobody may be waiting for the greeting any more
            self._hello.exception()
        if not self.ended.done():
            self.ended.set_result(None)


async def _end_of(process: ForkServerProcess | SpawnProcess) -> int | None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)
    await loop.run_in_executor(_STARTER, process.join)
    return process.exitcode
