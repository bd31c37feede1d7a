"""A served entity at work: its process, kept alive, and the requests that wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from infra.local.refusal import Refusal
from infra.local.serving.endpoint import Deployment
from infra.local.serving.process import EntityDied, EntityFailed, EntityProcess, Launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.serving.frames import Frame
    from infra.local.settings import Settings

_log = logging.getLogger(__name__)
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 30.0
_STABLE_SECONDS = 10.0
_SCALED_TO_ZERO = "Scaled to zero"

Report: TypeAlias = "Callable[[Deployment, str], None]"


class RunningEntity:
    """One served entity of a deployed config.

    A process that dies is started again after a pause that grows while it keeps dying. A request
    that was with it is given to its successor once.
    """

    def __init__(
        self, name: str, launch: Launch, *, scales_to_zero: bool, settings: Settings, report: Report
    ) -> None:
        self.name = name
        self._launch = launch
        self._settings = settings
        self._report = report
        self._limit = launch.concurrency * (1 + settings.queue_per_slot)
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._process: EntityProcess | None = None
        self._starting: asyncio.Task[EntityProcess] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._pause = _FIRST_PAUSE
        self._stopped = False
        self._last_used = time.monotonic()
        self._scaling: asyncio.Task[None] | None = None
        self._scales_to_zero = scales_to_zero
        self.signature: dict[str, Any] | None = None

    @property
    def launch(self) -> Launch:
        """What its process was started with."""
        return self._launch

    @property
    def pid(self) -> int | None:
        """Process id while there is a process."""
        return self._process.pid if self._process is not None else None

    @property
    def in_flight(self) -> int:
        """How many requests its process has and has not answered."""
        return self._in_flight

    async def start(self) -> None:
        """Return when the entity can answer; raise `EntityFailed` with the reason otherwise."""
        await self._ready_process()
        if self._scales_to_zero:
            self._scaling = asyncio.create_task(self._scale_to_zero())

    def resume(self) -> None:
        """Start in the background; requests wait meanwhile, and failures are tried again."""
        self._watching = asyncio.create_task(self._restart())
        if self._scales_to_zero:
            self._scaling = asyncio.create_task(self._scale_to_zero())

    async def score(self, content_type: str, body: bytes) -> Frame:
        """The answer to one request; `Refusal` 429 if too many wait, 503 or 504 if none came."""
        if self._in_flight >= self._limit:
            raise Refusal(
                429,
                "REQUEST_LIMIT_EXCEEDED",
                "Too many concurrent requests. Consider increasing the provisioned concurrency of "
                "the served entity.",
            )
        self._in_flight += 1
        self._idle.clear()
        try:
            async with asyncio.timeout(self._settings.execution_seconds):
                return await self._score(content_type, body)
        except TimeoutError:
            raise Refusal(
                504, "DEADLINE_EXCEEDED", "Request processing time exceeded limit"
            ) from None
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
            self._last_used = time.monotonic()

    async def stop(self, *, drain_seconds: float) -> None:
        """Take no more part: answer what is in flight, but not for ever, then end the process."""
        self._stopped = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_seconds):
                await self._idle.wait()
        for task in (self._scaling, self._watching, self._starting):
            if task is not None:
                task.cancel()
        tasks = [task for task in (self._scaling, self._watching, self._starting) if task]
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._process is not None:
            await self._process.stop()

    async def _score(self, content_type: str, body: bytes) -> Frame:
        for last_attempt in (False, True):
            try:
                process = self._process
                if process is None or not process.alive:
                    process = await self._ready_process()
                return await process.score(content_type, body)
            except EntityFailed as error:
                raise Refusal(503, "TEMPORARILY_UNAVAILABLE", self._unavailable(error)) from error
            except EntityDied as error:
                if last_attempt:
                    raise Refusal(
                        503,
                        "TEMPORARILY_UNAVAILABLE",
                        f"Served entity {self.name} ended twice while it computed this request.",
                    ) from error
        raise AssertionError("unreachable: the second attempt returns or raises")

    def _unavailable(self, error: EntityFailed) -> str:
        return f"Served entity {self.name} is not available: {error}"

    async def _ready_process(self) -> EntityProcess:
        """The live process, or the one being started: all who wait, wait for the same one."""
        if self._process is not None and self._process.alive:
            return self._process
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(_observe)
        return await asyncio.shield(self._starting)

    async def _start(self) -> EntityProcess:
        try:
            process = await EntityProcess.start(
                self._launch, timeout_seconds=self._settings.start_seconds
            )
        finally:
            self._starting = None
        self._process = process
        self.signature = process.signature
        self._last_used = time.monotonic()
        self._report(Deployment.READY, "")
        self._watching = asyncio.create_task(self._watch(process))
        return process

    async def _watch(self, process: EntityProcess) -> None:
        started = time.monotonic()
        await process.ended
        if self._stopped or self._process is not process:
            return
        await process.stop()
        if time.monotonic() - started > _STABLE_SECONDS:
            self._pause = _FIRST_PAUSE
        _log.warning("Served entity %s ended; starting it again", self.name)
        self._report(Deployment.RECOVERING, "The process ended and is being started again")
        await self._restart()

    async def _restart(self) -> None:
        while not self._stopped:
            try:
                await self._ready_process()
            except EntityFailed as error:
                _log.warning("Served entity %s does not start: %s", self.name, error)
                self._report(Deployment.RECOVERING, str(error))
            else:
                return
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    async def _scale_to_zero(self) -> None:
        limit = self._settings.scale_to_zero_seconds
        while not self._stopped:
            idle = time.monotonic() - self._last_used
            await asyncio.sleep(max(limit - idle, 0.05))
            process = self._process
            unused = time.monotonic() - self._last_used >= limit
            if process is None or self._in_flight or not unused or self._starting is not None:
                continue
            self._process = None
            _log.info("Served entity %s is idle: scaled to zero", self.name)
            self._report(Deployment.READY, _SCALED_TO_ZERO)
            await process.stop()


def _observe(task: asyncio.Task[EntityProcess]) -> None:
    """Every waiter gets the failure from the task; without one it is no news either."""
    if not task.cancelled():
        task.exception()
