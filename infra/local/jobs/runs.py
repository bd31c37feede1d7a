"""The runs of jobs: one at a time or as many as a job allows, until they end."""

from __future__ import annotations

import asyncio
import itertools
import logging
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from infra.local.emulator import state_of
from infra.local.jobs import graph, orders, repository, values
from infra.local.jobs.definition import Settings, kind_of
from infra.local.jobs.orders import Order, settings_of
from infra.local.jobs.record import end, end_all, is_active, now, of_order, state
from infra.local.jobs.tasks import Around, Ended, Script
from infra.local.jobs.tasks import run as run_task
from infra.local.refusal import Refusal, invalid, missing

_DEEPEST: Final = 3
"""Jobs that run jobs: https://docs.databricks.com/jobs/run-job.html."""

_RETRY_SECONDS: Final = 0.2

_log = logging.getLogger(__name__)


class Runs:
    """Every run of this workspace; `document` is what is kept of them."""

    def __init__(
        self, document: dict[str, Any], save: Callable[[], None], folder: Path, script: Script
    ) -> None:
        self._document = document
        self._save = save
        self._folder = folder
        self._script = script
        self._live: dict[int, asyncio.Task[None]] = {}
        self._reasons: dict[int, str] = {}
        """Why live runs are being ended: TIMEDOUT or CANCELED."""
        self._freed = asyncio.Condition()
        shutil.rmtree(folder / "repositories", ignore_errors=True)
        self._end_all("The workspace ended while it ran.")

    @property
    def records(self) -> dict[str, Settings]:
        """Every run, by its number as text."""
        runs: dict[str, Settings] = self._document.setdefault("runs", {})
        return runs

    def start(self, order: Order, *, token: str | None = None) -> Settings:
        """The record of a run that has begun, waits for its turn, or was skipped."""
        if not order.settings.get("tasks"):
            raise invalid("tasks: the job has none, and a run of it would do nothing.")
        run = of_order(order, self.next_id)
        run_id: int = run["run_id"]
        if token:
            run["idempotency_token"] = token
        self.records[str(run_id)] = run
        if self._is_full(order, run):
            if not order.settings.get("queue", {}).get("enabled"):
                message = "The job has as many active runs as max_concurrent_runs allows."
                end(run, "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED", message)
                return run
            run["state"] = state("QUEUED")
        live = asyncio.create_task(self._live_run(run, order))
        self._live[run_id] = live
        return run

    def next_id(self) -> int:
        """A number that no job and no run has had."""
        self._document["last"] = (
            max(self._document.get("last", 0), *state_of("jobs", "jobs"), 0) + 1
        )
        return int(self._document["last"])

    def get(self, run_id: int) -> Settings:
        """A run of a job. Raises Refusal."""
        try:
            return self.records[str(run_id)]
        except KeyError:
            raise missing(f"Run {run_id} does not exist.") from None

    def of_token(self, token: str) -> Settings | None:
        """The run that was started with an idempotency token."""
        return next(
            (it for it in self.records.values() if it.get("idempotency_token") == token), None
        )

    def task(self, run_id: int) -> Settings | None:
        """A run of a task, the last of its attempts."""
        tasks = itertools.chain.from_iterable(run["tasks"] for run in self.records.values())
        return next((task for task in tasks if task["run_id"] == run_id), None)

    def cancel(self, run_id: int) -> None:
        """End a run that has not ended; its processes with it."""
        run = self.get(run_id)
        if live := self._live.get(run_id):
            self._reasons.setdefault(run_id, "CANCELED")
            if is_active(run):
                run["state"] = state("TERMINATING")
            live.cancel()

    def delete(self, run_id: int) -> None:
        """Forget a run that has ended."""
        run = self.get(run_id)
        if is_active(run):
            raise Refusal(400, "INVALID_STATE", f"Run {run_id} is still active: cancel it first.")
        for task in run["tasks"]:
            self.log(task["run_id"]).unlink(missing_ok=True)
        del self.records[str(run_id)]

    def log(self, task_run_id: int) -> Path:
        """Where the output of a task's process is."""
        return self._folder / "logs" / f"{task_run_id}.log"

    async def close(self) -> None:
        """End every run, and its processes."""
        live = [*self._live.values()]
        for task in live:
            task.cancel()
        await asyncio.gather(*live, return_exceptions=True)

    def _end_all(self, message: str) -> None:
        for run in self.records.values():
            if is_active(run):
                end_all(run, "INTERNAL_ERROR", "FAILED", message)

    def _is_full(self, order: Order, run: Settings) -> bool:
        if order.job_id is None:
            return False
        active = (
            it
            for it in self.records.values()
            if it is not run
            and it.get("job_id") == order.job_id
            and is_active(it)
            and it["state"]["life_cycle_state"] != "QUEUED"
        )
        most: int = order.settings.get("max_concurrent_runs", 1)
        return len([*active]) >= most

    async def _live_run(self, run: Settings, order: Order) -> None:
        run_id: int = run["run_id"]
        try:
            async with self._freed:
                await self._freed.wait_for(lambda: not self._is_full(order, run))
                run["state"] = state("RUNNING")
            async with asyncio.timeout(order.settings.get("timeout_seconds") or None) as limit:
                try:
                    await self._run_tasks(run, order)
                except asyncio.CancelledError:
                    if limit.expired():
                        self._reasons.setdefault(run_id, "TIMEDOUT")
                    raise
        except TimeoutError:
            end_all(run, "TERMINATED", "TIMEDOUT", "The run took longer than its timeout_seconds.")
        except asyncio.CancelledError:
            if run_id in self._reasons:
                end_all(run, "TERMINATED", "CANCELED", "Run cancelled.")
            else:
                self._end_all("The workspace ended while it ran.")
        except Exception as error:  # a run must never seem to go on
            if not isinstance(error, Refusal):
                _log.exception("Run %s failed", run_id)
            end_all(run, "TERMINATED", "FAILED", str(error))
        finally:
            self._live.pop(run_id, None)
            self._reasons.pop(run_id, None)
            shutil.rmtree(self._repository(run), ignore_errors=True)
            self._kept()
            async with self._freed:
                self._freed.notify_all()

    def _kept(self) -> None:
        try:
            self._save()
        except Refusal as refusal:
            _log.error("A run's state is not on disk: %s", refusal.message)

    def _repository(self, run: Settings) -> Path:
        return self._folder / "repositories" / str(run["run_id"])

    async def _run_tasks(self, run: Settings, order: Order) -> None:
        tasks: Iterable[Settings] = order.settings.get("tasks", ())
        if git := order.settings.get("git_source"):
            folder = self._repository(run)
            folder.parent.mkdir(parents=True, exist_ok=True)
            await repository.copy(git, folder)
        records = {it["task_key"]: it for it in run["tasks"]}
        done = {key: asyncio.Event() for key in records}

        async def one(task: Settings) -> None:
            record = records[task["task_key"]]
            for needed in task.get("depends_on", ()):
                await done[needed["task_key"]].wait()
            if result := graph.instead_of_running(task, records):
                end(record, "TERMINATED", result, graph.NOT_RUN[result])
            else:
                await self._run_attempts(task, record, run, order)
            done[task["task_key"]].set()

        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(one(task))
        result = graph.result_of_run(run["tasks"])
        failed = next(
            (it for it in run["tasks"] if it["state"]["result_state"] in {"FAILED", "TIMEDOUT"}),
            None,
        )
        message = ""
        if failed is not None:
            said = failed["state"]["state_message"]
            message = f"Task {failed['task_key']} failed with message: {said}"
        end(run, "TERMINATED", result, message)

    async def _run_attempts(
        self, task: Settings, record: Settings, run: Settings, order: Order
    ) -> None:
        most = task.get("max_retries") or 0
        while True:
            record["start_time"] = now()
            record["state"] = state("RUNNING")
            ended = await self._attempt(task, record, run, order)
            again = ended.result == "FAILED" or (
                ended.result == "TIMEDOUT" and task.get("retry_on_timeout", False)
            )
            if not again or (most >= 0 and record["attempt_number"] >= most):
                break
            record["state"] = state("WAITING_FOR_RETRY", ended.message)
            # One that is tried for ever, and fails at once, leaves others their turn.
            pause = max(task.get("min_retry_interval_millis", 0) / 1000, _RETRY_SECONDS)
            await asyncio.sleep(pause)
            record["attempt_number"] += 1
            record["run_id"] = self.next_id()
        record[kind_of(task)] |= ended.seen
        record["output"] = ended.output
        end(record, "TERMINATED", ended.result, ended.message)

    async def _attempt(
        self, task: Settings, record: Settings, run: Settings, order: Order
    ) -> Ended:
        known = values.of_run(run) | values.of_task(record)
        for other in run["tasks"]:
            if not is_active(other):
                known |= values.of_ended(other)
        around = Around(
            known=known,
            python_parameters=order.python_parameters,
            repository=self._repository(run) if order.settings.get("git_source") else None,
            cluster=orders.cluster(task, order.settings),
            log=self.log(record["run_id"]),
            host=order.caller.host,
            token=order.caller.token,
            script=self._script,
            run_job=lambda job_id, given: self._run_inside(job_id, given, order),
        )
        seconds = task.get("timeout_seconds") or None
        try:
            async with asyncio.timeout(seconds):
                return await run_task(task, around)
        except TimeoutError:
            message = f"The task took longer than its timeout_seconds, {seconds}."
            return Ended(result="TIMEDOUT", message=message, output={"error": message})

    async def _run_inside(self, job_id: int, parameters: dict[str, str], order: Order) -> Settings:
        inside = (*order.inside, *([] if order.job_id is None else [order.job_id]))
        if job_id in inside or len(inside) >= _DEEPEST:
            raise invalid(
                f"Job {job_id} is run by {', '.join(map(str, inside))}: jobs run no job that runs "
                f"them, and no deeper than {_DEEPEST}."
            )
        settings = settings_of(job_id)
        run = self.start(
            Order(
                settings=settings,
                caller=order.caller,
                job_id=job_id,
                parameters=parameters,
                trigger="RUN_JOB_TASK",
                inside=inside,
            )
        )
        if live := self._live.get(run["run_id"]):
            try:
                await asyncio.shield(live)
            except asyncio.CancelledError:
                self.cancel(run["run_id"])
                raise
        return run
