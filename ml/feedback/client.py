"""Sends readings to a feedback endpoint: for services and `ml.feedback`.

>>> from ml.feedback.client import FeedbackClient
>>> client = FeedbackClient.connect("dev")                   # doctest: +SKIP
>>> client.send([Reading(...)])                              # doctest: +SKIP
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import orjson

from ml.feedback.reading import Reading
from ml.workspace.connection import WorkspaceError
from ml.workspace.endpoint import Endpoint, EndpointError

MOST_ROWS: Final = 500
"""Of a request: readings of the longest notes fill a fifth of what a request may have, 16 MB."""

WRITTEN, REFUSED, FAILED = "written", "refused", "failed"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the endpoint answered to one reading."""

    reading: Reading
    status: str
    """`written`; `refused`, which sending again does not change; `failed`, which it may."""
    pending: bool
    """Of a written one: whether its prediction is not in the inference table yet."""
    reason: str | None


class FeedbackClient:
    """One feedback endpoint. Thread-safe."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    @classmethod
    def connect(
        cls, environment: str | Path, *, endpoint: str | None = None, connections: int = 4
    ) -> Self:
        """The feedback endpoint of an environment, unless another is named.

        Raises WorkspaceError or InvalidEnvironment.
        """
        from infra.declared.environment import load
        from ml.workspace.connection import connect

        loaded = load(environment)
        if endpoint is None and loaded.feedback is None:
            raise WorkspaceError(
                f"environment {loaded.name} has no [feedback] endpoint. Add the table to its file "
                "and deploy, or name an endpoint with --endpoint."
            )
        name = endpoint or (loaded.feedback.endpoint if loaded.feedback else "")
        client = cls(Endpoint(connect(loaded), name, connections=connections))
        client.endpoint.request_schema()
        return client

    def send(self, readings: Sequence[Reading]) -> list[Outcome]:
        """One outcome for each of at most MOST_ROWS readings, in order.

        A reading that was written before is written; it may be sent again after any failure.
        Raises EndpointError where the endpoint as a whole does not answer.
        """
        if len(readings) > MOST_ROWS:
            raise ValueError(f"{len(readings)} readings; a request takes at most {MOST_ROWS}")
        rows = [_without_absent(reading) for reading in readings]
        answer = self.endpoint.invoke(orjson.dumps({"dataframe_records": rows}))
        return _outcomes(readings, answer.predictions, self.endpoint.url)


def _without_absent(reading: Reading) -> dict[str, Any]:
    return {name: value for name, value in reading.as_row().items() if value is not None}


def _outcomes(readings: Sequence[Reading], predictions: Any, url: str) -> list[Outcome]:
    if not isinstance(predictions, list) or [
        it.get("feedback_id") if isinstance(it, dict) else None for it in predictions
    ] != [reading.feedback_id for reading in readings]:
        raise EndpointError(
            f"{url} did not answer with one outcome for each of {len(readings)} readings, but "
            f"with {str(predictions)[:200]}. Is a feedback processor served there?"
        )
    return [
        Outcome(
            reading=reading,
            status=str(it.get("status")),
            pending=bool(it.get("pending")),
            reason=it.get("reason"),
        )
        for reading, it in zip(readings, predictions, strict=True)
    ]
