"""The processes behind the served entities: what each loads, its start, its end.

They run beside those that serve; which of them answers is for `endpoints` to say.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from typing import TYPE_CHECKING

from infra.local.catalog.models import ModelNotFound
from infra.local.refusal import Refusal, invalid, missing
from infra.local.serving.endpoint import Deployment
from infra.local.serving.entity import RunningEntity
from infra.local.serving.payload import ServedEntityRow
from infra.local.serving.process import EntityFailed, Launch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from infra.local.serving.config import ConfigSpec, ServedEntity
    from infra.local.serving.endpoint import Config, DeployedEntity, Endpoint
    from infra.local.serving.models import ModelSource, SecretSource
    from infra.local.settings import Settings

    Report = Callable[[str, str, Deployment, str], None]
    """Is told of an endpoint's name, a served entity's id, its state, and why."""

_log = logging.getLogger(__name__)
_READY_STATUS = "READY"
_SHUTDOWN_SECONDS = 1.0
"""The server has waited for its requests before endpoints are closed."""


class Unstartable(Exception):
    """Which served entity kept an update from completing, and why."""

    def __init__(self, entity_id: str, reason: str) -> None:
        super().__init__(reason)
        self.entity_id = entity_id
        self.reason = reason


class Deployments:
    """What runs, by the id of the served entity."""

    def __init__(
        self, settings: Settings, *, models: ModelSource, secrets: SecretSource, report: Report
    ) -> None:
        self._settings = settings
        self._models = models
        self._secrets = secrets
        self._report = report
        self._running: dict[str, RunningEntity] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def __contains__(self, entity: DeployedEntity) -> bool:
        """Whether its process was started."""
        return entity.id in self._running

    def of(self, config: Config) -> dict[str, RunningEntity]:
        """What runs of a config, by name of the served entity."""
        return {
            entity.spec.name: self._running[entity.id]
            for entity in config.entities
            if entity.id in self._running
        }

    def log_file(self, entity: DeployedEntity, kind: str) -> Path:
        """`kind` is build or service."""
        return self._settings.logs_folder / entity.id / f"{kind}.log"

    async def start(self, endpoint: str, entity: DeployedEntity) -> None:
        """Return when it can answer. Raises Unstartable."""
        try:
            running = await self._entity(endpoint, entity)
            self._running[entity.id] = running
            await running.start()
        except EntityFailed as error:
            raise Unstartable(entity.id, str(error)) from error
        except Refusal as refusal:
            raise Unstartable(entity.id, refusal.message) from refusal

    async def resume(self, endpoint: str, entity: DeployedEntity) -> None:
        """Begin its start, as the last run of the workspace has left it."""
        try:
            running = await self._entity(endpoint, entity)
        except Refusal as refusal:
            self._report(endpoint, entity.id, Deployment.FAILED, refusal.message)
            return
        self._running[entity.id] = running
        running.resume()

    def stop(self, entity_ids: Iterable[str]) -> None:
        """In the background, after what is in flight has been answered."""
        for entity_id in entity_ids:
            if running := self._running.pop(entity_id, None):
                drain = running.stop(drain_seconds=self._settings.execution_seconds)
                task = asyncio.create_task(drain)
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
                task.add_done_callback(log_failure)

    async def close(self) -> None:
        """Stop all at once."""
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
        await asyncio.gather(
            *(entity.stop(drain_seconds=_SHUTDOWN_SECONDS) for entity in self._running.values()),
            return_exceptions=True,
        )

    async def refuse_unservable(self, config: ConfigSpec, active: Config | None = None) -> None:
        """Raises Refusal for a version or a secret that does not exist, or is not ready."""
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

    async def _entity(self, endpoint: str, entity: DeployedEntity) -> RunningEntity:
        def report(deployment: Deployment, message: str) -> None:
            self._report(endpoint, entity.id, deployment, message)

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


def log_failure(task: asyncio.Task[None]) -> None:
    """When a task in the background has ended: say why, if by a fault."""
    if not task.cancelled() and (error := task.exception()):
        _log.error("A task of the workspace failed", exc_info=error)


def served_entity_rows(
    endpoint: Endpoint, config: Config, *, deleted: datetime.datetime | None
) -> Iterator[ServedEntityRow]:
    """A config as of now, or its end, where the endpoint was `deleted`."""
    now = datetime.datetime.now(datetime.UTC)
    for entity in config.entities:
        yield ServedEntityRow(
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
