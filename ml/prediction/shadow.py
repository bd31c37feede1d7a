"""A challenger that answers what its champion was asked: in the shadow, while nobody waits for it.

The log says what was asked, the table what was answered. A request is sent as it came, under an id
that marks it, so that it is no traffic; what was answered and not written down, because somebody
pulled the plug, is in the log under that id and is taken from there.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ml.contract.tables import SHADOW_ANSWERS, SHADOW_MARK
from ml.contract.task import Task
from ml.workspace.additions import addition, as_texts
from ml.workspace.endpoint import Endpoint, RequestRefused
from ml.workspace.warehouse import Warehouse

if TYPE_CHECKING:
    from infra.declared.analysis import Analysis

REQUESTS_A_STATEMENT: Final = 20

_UNASKED: Final = """
SELECT prediction.databricks_request_id, MIN(prediction.request_time) AS request_time
FROM IDENTIFIER(:predictions) AS prediction
LEFT JOIN (
  SELECT DISTINCT databricks_request_id FROM IDENTIFIER(:shadow) WHERE challenger = :challenger
) AS asked
  ON asked.databricks_request_id = prediction.databricks_request_id
JOIN IDENTIFIER(:payload) AS payload
  ON payload.databricks_request_id = prediction.databricks_request_id
WHERE asked.databricks_request_id IS NULL
  AND payload.request IS NOT NULL
  AND prediction.arm = :champion
  AND prediction.answer_number = 1
  AND prediction.request_time >= CAST(:since AS TIMESTAMP)
GROUP BY prediction.databricks_request_id
ORDER BY request_time, databricks_request_id
LIMIT 10000
"""

_ANSWERED: Final = """
SELECT
  prediction.prediction_id,
  prediction.databricks_request_id,
  prediction.image_index,
  prediction.request_time,
  prediction.probability,
  payload.request,
  shadowed.response
FROM IDENTIFIER(:predictions) AS prediction
JOIN (SELECT explode(from_json(:wanted, 'ARRAY<STRING>')) AS databricks_request_id) AS wanted
  ON wanted.databricks_request_id = prediction.databricks_request_id
JOIN IDENTIFIER(:payload) AS payload
  ON payload.databricks_request_id = prediction.databricks_request_id
LEFT JOIN (
  SELECT marked.client_request_id, MAX(logged.response) AS response
  FROM (SELECT explode(from_json(:marked, 'ARRAY<STRING>')) AS client_request_id) AS marked
  JOIN IDENTIFIER(:payload) AS logged
    ON logged.client_request_id = marked.client_request_id
  WHERE logged.status_code = 200
  GROUP BY marked.client_request_id
) AS shadowed
  ON shadowed.client_request_id
    = CONCAT(CAST(:mark AS STRING), prediction.databricks_request_id)
ORDER BY prediction.request_time, prediction.databricks_request_id, prediction.image_index
"""

_WRITE: Final = addition(SHADOW_ANSWERS, "prediction_id", "challenger")

_FORGET: Final = """
DELETE FROM IDENTIFIER(:shadow)
WHERE challenger = :challenger
  AND databricks_request_id IN (
    SELECT databricks_request_id FROM IDENTIFIER(:shadow)
    WHERE challenger = :challenger AND refused IS NOT NULL
  )
"""


@dataclass
class Pace:
    """At most so many requests a minute, evenly."""

    per_minute: int
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _next: float = 0.0

    def wait(self) -> None:
        """Until the next request may be sent."""
        now = self.clock()
        if self._next > now:
            self.sleep(self._next - now)
        self._next = max(now, self._next) + 60 / self.per_minute


@dataclass(frozen=True, kw_only=True)
class Shadowed:
    """What became of one request: asked, found in the log, or refused by the challenger."""

    request: str
    inputs: int
    asked: bool
    refused: str = ""


class Shadow:
    """A challenger in the shadow of its champion."""

    def __init__(
        self,
        warehouse: Warehouse,
        analysis: "Analysis",
        table: str,
        endpoint: Endpoint,
        *,
        champion: str,
        challenger: str,
    ) -> None:
        """``endpoint`` is the challenger's own: requests to it are not divided."""
        self._warehouse = warehouse
        self._tables = {
            "predictions": analysis.full_name("predictions"),
            "payload": analysis.payload,
        }
        self._task: Task = analysis.task
        self._table = table
        self._endpoint = endpoint
        self._champion, self._challenger = champion, challenger

    def unasked(self, since: datetime) -> list[str]:
        """The champion's requests that the challenger was not asked, the oldest first; at most
        10,000. One that was too large for the log can not be asked. Raises WorkspaceError."""
        rows = self._warehouse.execute(
            _UNASKED,
            **self._tables,
            shadow=self._table,
            champion=self._champion,
            challenger=self._challenger,
            since=since.isoformat(),
        )
        return [str(row["databricks_request_id"]) for row in rows]

    def forget_refusals(self) -> None:
        """Requests of which the challenger refused an input are as if never asked. Raises
        WorkspaceError."""
        self._warehouse.execute(_FORGET, shadow=self._table, challenger=self._challenger)

    def ask(self, requests: Sequence[str], pace: Pace) -> Iterator[Shadowed]:
        """Asks the challenger, writing down its answers by the twenty. Raises WorkspaceError;
        what was written until then stays, and the same again goes on."""
        for first in range(0, len(requests), REQUESTS_A_STATEMENT):
            yield from self._ask(requests[first : first + REQUESTS_A_STATEMENT], pace)

    def _ask(self, requests: Sequence[str], pace: Pace) -> Iterator[Shadowed]:
        # By their ids: the log may have a request twice.
        predictions: dict[str, dict[str, Mapping[str, Any]]] = {}
        for row in self._warehouse.execute(
            _ANSWERED,
            **self._tables,
            wanted=json.dumps([*requests]),
            marked=json.dumps([f"{SHADOW_MARK}{it}" for it in requests]),
            mark=SHADOW_MARK,
        ):
            inputs = predictions.setdefault(str(row["databricks_request_id"]), {})
            inputs[str(row["prediction_id"])] = row
        outcomes, written = [], []
        try:
            for request, inputs in predictions.items():
                outcome, rows = self._one(request, [*inputs.values()], pace)
                outcomes.append(outcome)
                written += rows
        finally:
            if written:
                self._warehouse.execute(_WRITE, table=self._table, rows=as_texts(written))
        yield from outcomes

    def _one(
        self, request: str, inputs: Sequence[Mapping[str, Any]], pace: Pace
    ) -> tuple[Shadowed, list[dict[str, object]]]:
        logged = inputs[0]["response"]
        answers = json.loads(str(logged)).get("predictions") if logged else None
        asked = None in (found := self._probabilities(answers, inputs))
        refused = ""
        if asked:
            pace.wait()
            try:
                answers = self._invoke(request, str(inputs[0]["request"]))
            except RequestRefused as error:
                answers, refused = None, str(error)
            found = self._probabilities(answers, inputs)
        if None in found:
            refused = refused or f"{self._endpoint.url} gave no probability"
        rows: list[dict[str, object]] = [
            {
                "prediction_id": row["prediction_id"],
                "databricks_request_id": request,
                "image_index": row["image_index"],
                "request_time": row["request_time"],
                "champion": self._champion,
                "challenger": self._challenger,
                "champion_probability": row["probability"],
                "challenger_probability": None if probability is None else repr(probability),
                "asked_at": datetime.now(UTC).isoformat(),
                "refused": refused if probability is None else None,
            }
            for row, probability in zip(inputs, found, strict=True)
        ]
        return Shadowed(request=request, inputs=len(inputs), asked=asked, refused=refused), rows

    def _probabilities(
        self, answers: object, inputs: Sequence[Mapping[str, Any]]
    ) -> list[float | None]:
        """Of each input, the challenger's; None where the answers have none."""
        given = answers if isinstance(answers, list) else []
        places = (int(row["image_index"]) for row in inputs)
        return [self._task.in_answer(given[it]) if it < len(given) else None for it in places]

    def _invoke(self, request: str, body: str) -> object:
        document = {**json.loads(body), "client_request_id": f"{SHADOW_MARK}{request}"}
        return self._endpoint.invoke(json.dumps(document).encode()).predictions
