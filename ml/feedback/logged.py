"""What the inference tables have of predictions that readings name, by either id of a request."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from ml.contract.tables import REPLAY_MARK, SHADOW_MARK
from ml.contract.task import PNEUMONIA
from ml.feedback.setting import InferenceTable
from ml.workspace.warehouse import Row, StatementError, Warehouse

_FURTHER_IMAGE: Final = re.compile(r"(?P<request>.+)#(?P<image>[1-9]\d{0,6})", re.DOTALL)
"""A prediction that is not the first of its request, as the view of the predictions names it."""

_MARKS: Final = (REPLAY_MARK, SHADOW_MARK)
_NO_TRAFFIC: Final = (
    "was asked to compare arms, and no verdict counts it; name the prediction that was made when "
    "somebody asked for it"
)

_ANSWER: Final = PNEUMONIA.answer_type

# By either id, each with a join of its own: one over both would compare every row with every row.
_KNOWN_REQUESTS: Final = "\nUNION ALL\n".join(
    f"""
SELECT
  asked.request_id,
  COALESCE(logged.client_request_id, logged.databricks_request_id) AS named,
  size(from_json(logged.response, 'predictions ARRAY<{_ANSWER}>').predictions) AS images
FROM IDENTIFIER(:payload_table) AS logged
JOIN (SELECT explode(from_json(:request_ids, 'ARRAY<STRING>')) AS request_id) AS asked
ON logged.{column} = asked.request_id
WHERE logged.status_code = 200
"""  # noqa: S608 - the columns are constants
    for column in ("client_request_id", "databricks_request_id")
)

_NO_SUCH_TABLE: Final = "TABLE_OR_VIEW_NOT_FOUND"


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the inference tables have under an id."""

    name: str
    """What the view of the predictions calls it: by the client's id where there is one."""
    verdicts: frozenset[str]
    """What its test's readers may say."""
    problem: str | None = None
    """Why no reading of it can ever count."""


def name_of(prediction_id: str, recorded: Mapping[str, Prediction]) -> str:
    """What a prediction is called, whichever of its ids is given."""
    found = recorded.get(prediction_id)
    return found.name if found else prediction_id


class LoggedPredictions:
    """The inference tables of the tests. Thread-safe."""

    def __init__(self, warehouse: Warehouse, payloads: Sequence[InferenceTable]) -> None:
        self._warehouse = warehouse
        self._payloads = payloads

    def predictions(self, given: AbstractSet[str]) -> dict[str, Prediction]:
        """Those that the tables have, by the id that was given."""
        further = {it: found for it in given if (found := _FURTHER_IMAGE.fullmatch(it))}
        requests = given | {found["request"] for found in further.values()}
        images: dict[str, int] = {}
        logged: dict[str, Prediction] = {}
        for payload in self._payloads:
            for row in self._rows(payload, requests):
                request, count = str(row["request_id"]), int(row["images"] or 0)
                if count <= 0:  # too large to be logged
                    continue
                images[request] = max(images.get(request, 0), count)
                before = logged.get(request)
                name = before.name if before else str(row["named"])
                logged[request] = Prediction(
                    name=name,
                    verdicts=payload.verdicts | (before.verdicts if before else frozenset()),
                )
        known = {it: logged[it] for it in given if it in logged}
        for it, found in further.items():
            if (first := logged.get(found["request"])) and it not in known:
                count, image = images[found["request"]], int(found["image"])
                beyond = None if image < count else f"its request has {count}, counted from 0"
                known[it] = replace(first, name=f"{first.name}#{image}", problem=beyond)
        for it in given:
            name = name_of(it, known)
            if name.startswith(_MARKS):
                known[it] = Prediction(name=name, verdicts=frozenset(), problem=_NO_TRAFFIC)
        return known

    def _rows(self, payload: InferenceTable, requests: Iterable[str]) -> Sequence[Row]:
        """What an inference table has of requests."""
        try:
            return self._warehouse.execute(
                _KNOWN_REQUESTS.replace(_ANSWER, payload.answer_type),
                payload_table=payload.table,
                request_ids=json.dumps(sorted(requests)),
            )
        except StatementError as error:
            if _NO_SUCH_TABLE not in str(error):
                raise
            return []  # serving creates the table with the first request that it logs
