"""All endpoints of the workspace: what is asked of them, and the steps of an update.

`endpoint` says which states there are, `deployments` starts processes beside those that serve; an
endpoint's `Live` config is exchanged in one step when all are ready. Each step may be the last one
that a crash has let happen.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
import uuid
from typing import TYPE_CHECKING

from infra.local.refusal import Refusal, missing
from infra.local.serving import endpoint as states
from infra.local.serving.deployments import (
    Deployments,
    Unstartable,
    log_failure,
    served_entity_rows,
)
from infra.local.serving.live import Live
from infra.local.serving.metrics import EndpointMetrics
from infra.local.serving.record import Entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from infra.local.serving.config import ConfigSpec, CreateSpec, Gateway, Tag
    from infra.local.serving.endpoint import Config, DeployedEntity, Deployment, Endpoint
    from infra.local.serving.journal import Journal
    from infra.local.serving.models import ModelSource, SecretSource
    from infra.local.serving.payload import PayloadTable
    from infra.local.serving.store import EndpointStore
    from infra.local.settings import Settings

_log = logging.getLogger(__name__)


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
        has_schema: Callable[[str, str], bool],
        creator: str,
    ) -> None:
        self._settings = settings
        self._store = store
        self._journal = journal
        self._creator = creator
        self._has_schema = has_schema
        self._deployments = Deployments(
            settings, models=models, secrets=secrets, report=self._report
        )
        self._endpoints: dict[str, Endpoint] = {}
        self._live: dict[str, Live] = {}
        self._metrics: dict[str, EndpointMetrics] = {}
        self._updates: dict[str, asyncio.Task[None]] = {}

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
                    await self._deployments.resume(endpoint.name, entity)
                self._go_live(endpoint.name)
            if endpoint.updating:
                self._start_update(endpoint.name)

    async def close(self) -> None:
        """Stop all processes; the endpoints stay as they are for the next run."""
        unfinished = list(self._updates.values())
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self._deployments.close()

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
        return self._deployments.log_file(entity, kind)

    async def create(self, spec: CreateSpec) -> Endpoint:
        """A new endpoint; its served entities start behind. Raises Refusal."""
        self._refuse_existing(spec.name)
        if spec.gateway is not None:
            self._refuse_unwritable(spec.name, spec.gateway)
        if spec.config is not None:
            await self._deployments.refuse_unservable(spec.config)
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
        await self._deployments.refuse_unservable(spec, endpoint.active)
        endpoint = states.begin_update(
            self.get(name), spec, creator=self._creator, now_ms=_now_ms(), new_id=_new_id
        )
        self._keep(endpoint)
        self._start_update(name)
        return self.get(name)

    def update_gateway(self, name: str, gateway: Gateway) -> Endpoint:
        """The endpoint with another gateway, at once. Raises Refusal 404."""
        self._refuse_unwritable(name, gateway)
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
        self._deployments.stop(
            {entity.id for config in configs if config for entity in config.entities}
        )
        if endpoint.active is not None:
            now = datetime.datetime.now(datetime.UTC)
            self._record(endpoint, endpoint.active, deleted=now)

    # What makes it true ----------------------------------------------------------------------

    def _start_update(self, name: str) -> None:
        """Deploy the pending config; at once if it only moves traffic and no time is set."""
        pending = self._pending(name)
        if self._settings.state_seconds == 0 and all(
            entity in self._deployments for entity in pending.entities
        ):
            self._complete(name)
            return
        update = asyncio.create_task(self._update(name, pending))
        self._updates[name] = update
        update.add_done_callback(log_failure)

    async def _update(self, name: str, pending: Config) -> None:
        new = [entity for entity in pending.entities if entity not in self._deployments]
        minimum = asyncio.create_task(asyncio.sleep(self._settings.state_seconds))
        try:
            async with asyncio.TaskGroup() as starts:
                for entity in new:
                    starts.create_task(self._deployments.start(name, entity))
            await minimum
        except* Unstartable as failures:
            failure = failures.exceptions[0]
            if not isinstance(failure, Unstartable):
                raise
            _log.warning("Update of %s failed: %s", name, failure)
            self._keep(states.fail_update(self._endpoints[name], failure.entity_id, failure.reason))
            self._deployments.stop({entity.id for entity in new})
        else:
            self._complete(name)
        finally:
            minimum.cancel()
            if self._updates.get(name) is asyncio.current_task():
                del self._updates[name]

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
            self._deployments.stop({entity.id for entity in before.entities} - kept)

    def _record(
        self, endpoint: Endpoint, config: Config, *, deleted: datetime.datetime | None = None
    ) -> None:
        """Add a config, or its end, to `system.serving.served_entities`."""
        for row in served_entity_rows(endpoint, config, deleted=deleted):
            self._journal.append(Entry(served_entity=row), delay_seconds=0)

    def _go_live(self, name: str) -> None:
        endpoint = self._endpoints[name]
        if endpoint.active is None:
            return
        self._live[name] = Live(
            endpoint=endpoint,
            config=endpoint.active,
            running=self._deployments.of(endpoint.active),
            metrics=self._metrics_of(name),
        )

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

    def _refuse_unwritable(self, name: str, gateway: Gateway) -> None:
        table = gateway.enabled_table(name)
        if table is not None and not self._has_schema(table.catalog, table.schema):
            raise missing(
                f"Schema '{table.catalog}.{table.schema}' of the inference table does not exist: "
                "create it first."
            )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _new_id() -> str:
    return uuid.uuid4().hex
