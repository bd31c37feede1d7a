"""All endpoints of the workspace: what is asked of them, and the served entities behind them.

`endpoint` says which states there are; here is what makes them true: processes are started beside
those that serve, and an endpoint's `Live` config is exchanged in one step when all are ready.
One module, though a long one: each step of an update may be the last one that a crash has let
happen, so that they are read in one piece.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import functools
import logging
import time
import uuid
from typing import TYPE_CHECKING

from infra.local.catalog.models import ModelNotFound
from infra.local.refusal import Refusal, invalid, missing
from infra.local.serving import endpoint as states
from infra.local.serving.endpoint import Deployment, Endpoint
from infra.local.serving.entity import RunningEntity
from infra.local.serving.journal import Journal
from infra.local.serving.metrics import EndpointMetrics
from infra.local.serving.models import ModelSource, SecretSource
from infra.local.serving.payload import ServedEntityRow
from infra.local.serving.process import EntityFailed, Launch
from infra.local.serving.record import Entry

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from pathlib import Path
    from typing import Any

    from infra.local.serving.config import ConfigSpec, CreateSpec, Gateway, ServedEntity, Tag
    from infra.local.serving.endpoint import Config, DeployedEntity
    from infra.local.serving.payload import PayloadTable
    from infra.local.serving.store import EndpointStore
    from infra.local.settings import Settings

_log = logging.getLogger(__name__)
_READY_STATUS = "READY"
_SHUTDOWN_SECONDS = 1.0
"""The server has waited for its requests before endpoints are closed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Live:
    """What answers requests to an endpoint at this moment. Replaced whole, never changed."""

    endpoint: Endpoint
    config: Config
    running: Mapping[str, RunningEntity]
    """By name of the served entity."""
    metrics: EndpointMetrics

    @functools.cached_property
    def table(self) -> PayloadTable | None:
        """The inference table, made once: every answer is logged into it."""
        return self.endpoint.table

    @functools.cached_property
    def entity_ids(self) -> Mapping[str, str]:
        """Of the served entities, by name."""
        return {entity.spec.name: entity.id for entity in self.config.entities}


class Endpoints:
    """The endpoints by name, and what runs for each. Raises Refusal for what cannot be done."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: EndpointStore,
        journal: Journal,
        models: ModelSource,
        secrets: SecretSource,
        creator: str,
    ) -> None:
        self._settings = settings
        self._store = store
        self._journal = journal
        self._models = models
        self._secrets = secrets
        self._creator = creator
        self._endpoints: dict[str, Endpoint] = {}
        self._running: dict[str, RunningEntity] = {}
        self._live: dict[str, Live] = {}
        self._metrics: dict[str, EndpointMetrics] = {}
        self._updates: dict[str, asyncio.Task[None]] = {}
        self._background: set[asyncio.Task[None]] = set()

    @property
    def creator(self) -> str:
        """Who calls: the workspace has one user."""
        return self._creator

    async def resume(self) -> None:
        """Take up where the last run of the workspace ended."""
        for endpoint in self._store.load():
            self._endpoints[endpoint.name] = endpoint
            if endpoint.active is not None:
                for entity in endpoint.active.entities:
                    await self._resume_entity(endpoint, entity)
                self._go_live(endpoint.name)
            if endpoint.updating:
                self._start_update(endpoint.name)

    async def close(self) -> None:
        """Stop all processes; the endpoints stay as they are for the next run."""
        unfinished = [*self._updates.values(), *self._background]
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await asyncio.gather(
            *(entity.stop(drain_seconds=_SHUTDOWN_SECONDS) for entity in self._running.values()),
            return_exceptions=True,
        )

    # What is asked -------------------------------------------------------------------------

    def all(self) -> list[Endpoint]:
        """Every endpoint, the oldest first."""
        return list(self._endpoints.values())

    def get(self, name: str) -> Endpoint:
        """The endpoint of that name. Raises Refusal 404."""
        try:
            return self._endpoints[name]
        except KeyError:
            raise missing(f"Endpoint with name '{name}' does not exist.") from None

    async def settled(self, name: str) -> Endpoint:
        """The endpoint, after the update that it is in if that ends soon and has no set time."""
        update = self._updates.get(name)
        if update is not None and self._settings.state_seconds == 0:
            await asyncio.wait({update}, timeout=self._settings.settle_seconds)
        return self.get(name)

    def get_by_id(self, endpoint_id: str) -> Endpoint:
        """The endpoint of that id. Raises Refusal 404."""
        for endpoint in self._endpoints.values():
            if endpoint.id == endpoint_id:
                return endpoint
        raise missing(f"Endpoint with id '{endpoint_id}' does not exist.")

    def live(self, name: str) -> Live:
        """What answers now. `Refusal` 404 without the endpoint, 400 without any config, for which
        nobody need wait, and 503 without a deployed one."""
        live = self._live.get(name)
        if live is not None:
            return live
        if self.get(name).pending is None:
            raise Refusal(
                400,
                "INVALID_STATE",
                f"Endpoint {name} has no config, so that it serves nothing: give it one with "
                "PUT .../config.",
            )
        raise Refusal(
            503,
            "TEMPORARILY_UNAVAILABLE",
            f"Endpoint {name} is not ready: it serves no config.",
        )

    def metrics(self, name: str) -> str:
        """What an endpoint did, in Prometheus' text format. Raises Refusal 404."""
        self.get(name)
        live = self._live.get(name)
        return self._metrics_of(name).exposition(name, live.running if live else {})

    def signatures(self, name: str) -> dict[str, dict[str, Any] | None]:
        """MLflow signature of each served entity."""
        self.get(name)
        live = self._live.get(name)
        return {} if live is None else {n: run.signature for n, run in live.running.items()}

    def entity(self, name: str, served_name: str) -> DeployedEntity:
        """The newest deployment of a served entity, also one that failed."""
        endpoint = self.get(name)
        for config in (endpoint.pending, endpoint.active):
            found = config.entity(served_name) if config else None
            if found is not None:
                return found
        raise missing(f"Served entity '{served_name}' of endpoint '{name}' does not exist.")

    def log_file(self, entity: DeployedEntity, kind: str) -> Path:
        """`kind` is build or service."""
        return self._settings.logs_folder / entity.id / f"{kind}.log"

    async def create(self, spec: CreateSpec) -> Endpoint:
        """A new endpoint; its served entities start behind. Raises Refusal."""
        self._refuse_existing(spec.name)
        if spec.config is not None:
            await self._refuse_unservable(spec.config)
        self._refuse_existing(spec.name)
        endpoint = states.create(spec, creator=self._creator, now_ms=_now_ms(), new_id=_new_id)
        self._keep(endpoint)
        if endpoint.updating:
            self._start_update(endpoint.name)
        return self.get(endpoint.name)

    async def update_config(self, name: str, spec: ConfigSpec) -> Endpoint:
        """Begins an update to another config, whose entities start behind. Raises Refusal."""
        endpoint = self.get(name)
        states.refuse_while_updating(endpoint, "config")
        await self._refuse_unservable(spec, endpoint.active)
        endpoint = states.begin_update(
            self.get(name), spec, creator=self._creator, now_ms=_now_ms(), new_id=_new_id
        )
        self._keep(endpoint)
        self._start_update(name)
        return self.get(name)

    def update_gateway(self, name: str, gateway: Gateway) -> Endpoint:
        """The endpoint with another gateway, at once. Raises Refusal 404."""
        self._keep(states.with_gateway(self.get(name), gateway, now_ms=_now_ms()))
        return self.get(name)

    def note_logged(self, live: Live, table: PayloadTable) -> None:
        """Remember that the endpoint's inference table has rows."""
        if table.full_name not in live.endpoint.logged_tables:
            current = self._endpoints.get(live.endpoint.name)
            if current is not None and current.id == live.endpoint.id:
                self._keep(states.with_logged_table(current, table))

    def update_tags(self, name: str, *, add: tuple[Tag, ...], delete: tuple[str, ...]) -> Endpoint:
        """The endpoint with tags added and deleted. Raises Refusal 404."""
        self._keep(states.with_tags(self.get(name), add=add, delete=delete, now_ms=_now_ms()))
        return self.get(name)

    def change(self, name: str, **fields: object) -> Endpoint:
        """Set fields that have no rules."""
        self._keep(self.get(name).model_copy(update=fields))
        return self.get(name)

    def delete(self, name: str) -> None:
        """Forgets an endpoint and stops its processes. Raises Refusal 404."""
        endpoint = self.get(name)
        self._store.delete(name)
        if update := self._updates.pop(name, None):
            update.cancel()
        self._live.pop(name, None)
        self._metrics.pop(name, None)
        del self._endpoints[name]
        configs = (endpoint.active, endpoint.pending)
        self._stop({entity.id for config in configs if config for entity in config.entities})
        if endpoint.active is not None:
            now = datetime.datetime.now(datetime.UTC)
            self._record(endpoint, endpoint.active, deleted=now)

    # What makes it true ----------------------------------------------------------------------

    def _start_update(self, name: str) -> None:
        """Deploy the pending config; at once if it only moves traffic and no time is set."""
        pending = self._pending(name)
        if self._settings.state_seconds == 0 and all(
            entity.id in self._running for entity in pending.entities
        ):
            self._complete(name)
            return
        update = asyncio.create_task(self._update(name, pending))
        self._updates[name] = update
        update.add_done_callback(_log_failure)

    async def _update(self, name: str, pending: Config) -> None:
        new = [entity for entity in pending.entities if entity.id not in self._running]
        minimum = asyncio.create_task(asyncio.sleep(self._settings.state_seconds))
        try:
            async with asyncio.TaskGroup() as starts:
                for entity in new:
                    starts.create_task(self._start_entity(name, entity))
            await minimum
        except* _Unstartable as failures:
            failure = failures.exceptions[0]
            if not isinstance(failure, _Unstartable):
                raise
            _log.warning("Update of %s failed: %s", name, failure)
            self._keep(states.fail_update(self._endpoints[name], failure.entity_id, failure.reason))
            self._stop({entity.id for entity in new})
        else:
            self._complete(name)
        finally:
            minimum.cancel()
            if self._updates.get(name) is asyncio.current_task():
                del self._updates[name]

    async def _start_entity(self, name: str, entity: DeployedEntity) -> None:
        try:
            running = await self._running_entity(name, entity)
            self._running[entity.id] = running
            await running.start()
        except EntityFailed as error:
            raise _Unstartable(entity.id, str(error)) from error
        except Refusal as refusal:
            raise _Unstartable(entity.id, refusal.message) from refusal

    async def _resume_entity(self, endpoint: Endpoint, entity: DeployedEntity) -> None:
        try:
            running = await self._running_entity(endpoint.name, entity)
        except Refusal as refusal:
            self._report(endpoint.name, entity.id, Deployment.FAILED, refusal.message)
            return
        self._running[entity.id] = running
        running.resume()

    async def _running_entity(self, name: str, entity: DeployedEntity) -> RunningEntity:
        def report(deployment: Deployment, message: str) -> None:
            self._report(name, entity.id, deployment, message)

        return RunningEntity(
            entity.spec.name,
            Launch(
                model=await self._model_path(entity.spec),
                build_log=self.log_file(entity, "build"),
                service_log=self.log_file(entity, "service"),
                concurrency=entity.spec.provisioned_concurrency,
                threads=self._settings.threads_per_entity,
                variables=self._variables(entity.spec),
            ),
            scales_to_zero=entity.spec.scale_to_zero_enabled,
            settings=self._settings,
            report=report,
        )

    def _complete(self, name: str) -> None:
        before = self._endpoints[name].active
        endpoint = states.complete_update(self._endpoints[name])
        self._keep(endpoint)
        self._go_live(name)
        if endpoint.active is None:
            raise AssertionError("a completed update has an active config")
        self._record(endpoint, endpoint.active)
        if before is not None:
            kept = {entity.id for entity in endpoint.active.entities}
            self._stop({entity.id for entity in before.entities} - kept)

    def _record(
        self, endpoint: Endpoint, config: Config, *, deleted: datetime.datetime | None = None
    ) -> None:
        """Add a config, or its end, to `system.serving.served_entities`."""
        now = datetime.datetime.now(datetime.UTC)
        for entity in config.entities:
            row = ServedEntityRow(
                served_entity_id=entity.id,
                created_by=entity.creator,
                endpoint_name=endpoint.name,
                endpoint_id=endpoint.id,
                served_entity_name=entity.spec.name,
                entity_type="CUSTOM_MODEL",
                entity_name=entity.spec.entity_name,
                entity_version=entity.spec.entity_version,
                endpoint_config_version=config.version,
                workload_size=entity.spec.workload_size or "",
                workload_type=entity.spec.workload_type,
                change_time=now,
                endpoint_delete_time=deleted,
            )
            self._journal.append(Entry(served_entity=row), delay_seconds=0)

    def _go_live(self, name: str) -> None:
        endpoint = self._endpoints[name]
        if endpoint.active is None:
            return
        self._live[name] = Live(
            endpoint=endpoint,
            config=endpoint.active,
            running={
                entity.spec.name: self._running[entity.id]
                for entity in endpoint.active.entities
                if entity.id in self._running
            },
            metrics=self._metrics_of(name),
        )

    def _stop(self, entity_ids: set[str]) -> None:
        """In the background, after what is in flight has been answered."""
        for entity_id in entity_ids:
            if running := self._running.pop(entity_id, None):
                self._spawn(running.stop(drain_seconds=self._settings.execution_seconds))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        task.add_done_callback(_log_failure)

    def _report(self, name: str, entity_id: str, deployment: Deployment, message: str) -> None:
        if endpoint := self._endpoints.get(name):
            self._keep(states.entity_changed(endpoint, entity_id, deployment, message))

    def _keep(self, endpoint: Endpoint) -> None:
        # What can not be written down has not happened.
        self._store.save(endpoint)
        self._endpoints[endpoint.name] = endpoint
        if endpoint.name in self._live:
            self._go_live(endpoint.name)

    def _pending(self, name: str) -> Config:
        pending = self._endpoints[name].pending
        if pending is None:
            raise AssertionError(f"{name} has no pending config")
        return pending

    def _metrics_of(self, name: str) -> EndpointMetrics:
        return self._metrics.setdefault(name, EndpointMetrics())

    # What is refused ---------------------------------------------------------------------------

    def _refuse_existing(self, name: str) -> None:
        if name in self._endpoints:
            raise Refusal(
                409,
                "RESOURCE_ALREADY_EXISTS",
                f"Serving endpoint with name {name} already exists",
            )

    async def _refuse_unservable(self, config: ConfigSpec, active: Config | None = None) -> None:
        served = (
            {(entity.spec.entity_name, entity.spec.entity_version) for entity in active.entities}
            if active is not None
            else set()
        )
        for entity in config.served_entities:
            # What is served already needs no look into the registry: moving traffic costs nothing.
            if (entity.entity_name, entity.entity_version) not in served:
                await self._model_path(entity)
            self._variables(entity)

    async def _model_path(self, entity: ServedEntity) -> str:
        try:
            version = await asyncio.to_thread(
                self._models.version, entity.entity_name, int(entity.entity_version)
            )
        except ModelNotFound as error:
            raise missing(str(error)) from error
        if version.status != _READY_STATUS:
            raise invalid(
                f"Version {entity.entity_version} of model '{entity.entity_name}' has status "
                f"{version.status}: only a version with status {_READY_STATUS} can be served."
            )
        return version.source_path

    def _variables(self, entity: ServedEntity) -> dict[str, str]:
        """Environment variables with secrets resolved; `Refusal` for one that does not exist."""
        variables = dict(entity.environment_vars)
        for name, reference in entity.secrets.items():
            value = self._secrets.secret(reference.scope, reference.key)
            if value is None:
                raise missing(
                    f"Environment variable {name} of served entity '{entity.name}' references "
                    f"{{{{secrets/{reference.scope}/{reference.key}}}}}, but scope "
                    f"'{reference.scope}' has no secret '{reference.key}'."
                )
            variables[name] = value
        return variables


class _Unstartable(Exception):
    """Which served entity kept an update from completing, and why."""

    def __init__(self, entity_id: str, reason: str) -> None:
        super().__init__(reason)
        self.entity_id = entity_id
        self.reason = reason


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("A task of the workspace failed", exc_info=error)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _new_id() -> str:
    return uuid.uuid4().hex
