"""What an endpoint did, in Prometheus' text format and Databricks' metric names.

Source of the names: docs.databricks.com/aws/en/machine-learning/model-serving/monitor-diagnose-
endpoints ("metrics export").
"""

from __future__ import annotations

import bisect
import collections
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.serving.entity import RunningEntity

_BOUNDS_MS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)


class EndpointMetrics:
    """Counts since the workspace started, by served entity."""

    def __init__(self) -> None:
        self._statuses: collections.Counter[tuple[str, int]] = collections.Counter()
        self._latencies: dict[str, list[int]] = {}
        self._total_ms: collections.Counter[str] = collections.Counter()

    def observe(self, entity: str, status: int, latency_ms: float) -> None:
        """Counts an answer of a served entity: HTTP status, milliseconds."""
        self._statuses[entity, status // 100] += 1
        counts = self._latencies.setdefault(entity, [0] * (len(_BOUNDS_MS) + 1))
        counts[bisect.bisect_left(_BOUNDS_MS, latency_ms)] += 1
        self._total_ms[entity] += round(latency_ms)

    def exposition(self, endpoint: str, entities: Mapping[str, RunningEntity]) -> str:
        """The text of all metrics; `entities` are those that run, by name."""
        lines: list[str] = []

        def metric(name: str, kind: str, samples: list[tuple[str, str, float]]) -> None:
            lines.append(f"# TYPE {name} {kind}")
            for suffix, labels, value in samples:
                lines.append(f"{name}{suffix}{{{labels}}} {value:g}")

        def labels(entity: str) -> str:
            return f'endpoint_name="{endpoint}",served_model_name="{entity}"'

        names = sorted({*entities, *self._latencies})
        metric(
            "request_count_total",
            "counter",
            [("", labels(name), sum(self._latencies.get(name, ()))) for name in names],
        )
        for kind in (4, 5):
            metric(
                f"request_{kind}xx_count_total",
                "counter",
                [("", labels(name), self._statuses[name, kind]) for name in names],
            )
        histogram: list[tuple[str, str, float]] = []
        for name in names:
            seen = 0
            counts = self._latencies.get(name, [0] * (len(_BOUNDS_MS) + 1))
            for bound, count in zip((*_BOUNDS_MS, "+Inf"), counts, strict=True):
                seen += count
                histogram.append(("_bucket", f'{labels(name)},le="{bound}"', seen))
            histogram.append(("_sum", labels(name), self._total_ms[name]))
            histogram.append(("_count", labels(name), seen))
        metric("request_latency_ms", "histogram", histogram)
        metric(
            "provisioned_concurrent_requests_total",
            "gauge",
            [("", labels(name), entity.launch.concurrency) for name, entity in entities.items()],
        )
        return "\n".join(lines) + "\n"
