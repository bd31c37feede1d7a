"""What answers the requests to one endpoint at this moment."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.serving.endpoint import Config, Endpoint
    from infra.local.serving.entity import RunningEntity
    from infra.local.serving.metrics import EndpointMetrics
    from infra.local.serving.payload import PayloadTable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Live:
    """Replaced whole, never changed."""

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
