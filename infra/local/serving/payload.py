"""What is kept of an answered request: rows of the inference table and of `system.serving`.

Source of the columns: docs/reference/serving.md#inference-tables.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

MAX_LOGGED_BYTES = 1024 * 1024
"""Larger requests or responses are logged as NULL (CPU serving endpoints)."""
REQUEST_TOO_LARGE = "MAX_REQUEST_SIZE_EXCEEDED"
RESPONSE_TOO_LARGE = "MAX_RESPONSE_SIZE_EXCEEDED"

UNLOGGED_STATUSES = frozenset({401, 403, 404, 413, 429, 500, 502, 503, 504})
"""Answers that did not come from a model; Databricks need not log them, this workspace does not."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PayloadTable:
    """The inference table of an endpoint; `<prefix>_payload` in a catalog and schema."""

    catalog: str
    schema: str
    prefix: str

    @property
    def name(self) -> str:
        """Without catalog and schema."""
        return f"{self.prefix}_payload"

    @property
    def full_name(self) -> str:
        """With all three levels."""
        return f"{self.catalog}.{self.schema}.{self.name}"


@dataclasses.dataclass(kw_only=True, slots=True)
class PayloadRow:
    """One row of `<prefix>_payload`: its twelve columns, in the table's order.

    Not frozen, nor is `UsageRow`: one is made for each answer, and freezing costs three times that.
    """

    databricks_request_id: str
    request_date: datetime.date
    client_request_id: str | None
    request_time: datetime.datetime
    status_code: int
    sampling_fraction: float
    execution_duration_ms: int
    request: str | None = None
    response: str | None = None
    logging_error_codes: tuple[str, ...]
    served_entity_id: str
    requester: str


@dataclasses.dataclass(kw_only=True, slots=True)
class UsageRow:
    """One row of `system.serving.endpoint_usage` (custom models have no token counts)."""

    databricks_request_id: str
    client_request_id: str | None
    requester: str
    status_code: int
    request_time: datetime.datetime
    served_entity_id: str
    request_streaming: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ServedEntityRow:
    """One row of `system.serving.served_entities`: a served entity as of `change_time`."""

    served_entity_id: str
    created_by: str
    endpoint_name: str
    endpoint_id: str
    served_entity_name: str
    entity_type: str
    entity_name: str
    entity_version: str
    endpoint_config_version: int
    workload_size: str
    workload_type: str
    change_time: datetime.datetime
    endpoint_delete_time: datetime.datetime | None = None


class PayloadSink(Protocol):
    """Where rows end up. Called from a thread, one call at a time.

    A row may come twice (the workspace died between writing it and forgetting it), so every
    method keeps one row per key: `databricks_request_id` for requests and usage;
    `served_entity_id` with `endpoint_config_version` for served entities, where the later call
    replaces the earlier (it carries `endpoint_delete_time`).
    """

    def deliver(self, table: PayloadTable, rows: Sequence[PayloadRow]) -> None:
        """Append to an inference table, creating it at the first row."""

    def deliver_usage(self, rows: Sequence[UsageRow]) -> None:
        """Append to `system.serving.endpoint_usage`."""

    def deliver_served_entities(self, rows: Sequence[ServedEntityRow]) -> None:
        """Upsert into `system.serving.served_entities`."""


def loggable(body: bytes, code: str) -> tuple[bytes | None, tuple[str, ...]]:
    """What is kept of a body: all of it, or NULL and why."""
    return (None, (code,)) if len(body) > MAX_LOGGED_BYTES else (body, ())
