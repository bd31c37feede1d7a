"""The product's own SQL as part of the corpus: views, dashboards, the verdict's counts, readings.

The statements are not written down here: the product's own code makes them, and whoever executes
them is given. Their answers over the rows below are in `corpus/product.json`.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.declared.analysis import VIEWS, Analysis
from infra.declared.experiment import load
from ml.contract.tables import FILMS, PREDICTION_FEEDBACK
from tests.infra.local.sql.questions import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE: Final = FOLDER / "product.json"
_DASHBOARDS: Final = Path(__file__).parents[4] / "infra" / "dashboards"
CATALOG: Final = "product"
ANALYSIS: Final = Analysis(
    catalog=CATALOG,
    schema="gold",
    prefix="pneumonia_classifier",
    feedback=PREDICTION_FEEDBACK.full_name(CATALOG),
)
ENTITIES: Final = f"{CATALOG}.gold.served_entities"
"""Stands for the system table, which nobody but Databricks writes."""

_EXPERIMENT: Final = load("pneumonia_ab")
_ARMS: Final = {
    "c" * 32: _EXPERIMENT.champion.served_entity_name,
    "d" * 32: _EXPERIMENT.challenger.served_entity_name,
}
_START: Final = _EXPERIMENT.start + datetime.timedelta(hours=1)
_AS_OF: Final = _START + datetime.timedelta(days=60)

Parameters = dict[str, str]
Execute = Callable[[str, Parameters], "Answer"]


@dataclasses.dataclass(frozen=True)
class Answer:
    """Names and types of the columns, and the rows in the form of the API."""

    names: list[str]
    types: list[str]
    rows: list[list[str | None]]


@dataclasses.dataclass(frozen=True)
class Asked:
    """One statement of the product and its answer."""

    statement: str
    parameters: Parameters
    answer: Answer


class _Warehouse:
    """What the product's code takes for a warehouse; remembers what it was asked."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self.asked: list[Asked] = []

    def execute(self, statement: str, **parameters: str) -> list[dict[str, str | None]]:
        answer = self._execute(statement, parameters)
        if not statement.startswith("DESCRIBE"):
            self.asked.append(Asked(statement, parameters, answer))
        return [dict(zip(answer.names, row, strict=True)) for row in answer.rows]


def tables() -> Iterator[tuple[str, str]]:
    """The name of each table and the SELECT of its rows."""
    yield ANALYSIS.payload, _rows(_PAYLOAD, _requests())
    yield ENTITIES, _rows(_SERVED, _entities())
    columns = {column.name: column.type for column in PREDICTION_FEEDBACK.columns}
    yield ANALYSIS.feedback, _rows(columns, _verdicts())
    films = {column.name: column.type for column in FILMS.columns}
    yield FILMS.full_name(CATALOG), _rows(films, _films())


def views() -> Iterator[tuple[str, str]]:
    """The name of each view and its query."""
    for view in VIEWS:
        query = ANALYSIS.query(view.name)
        yield (
            ANALYSIS.full_name(view.name),
            query.replace("system.serving.served_entities", ENTITIES),
        )


def ask_everything(execute: Execute) -> list[Asked]:
    """Runs the product's statements by `execute`, over the tables and views above."""
    from ml.feedback import book
    from ml.ingestion import store
    from ml.verdict.counting.counts import WorkspaceViews
    from ml.verdict.counting.queries import Queries

    warehouse: Any = _Warehouse(execute)
    for view in VIEWS:
        warehouse.execute(f"SELECT * FROM {ANALYSIS.full_name(view.name)}")
    for file in sorted(_DASHBOARDS.glob("*.sql")):
        warehouse.execute(ANALYSIS.filled_in(file.read_text(encoding="utf-8")))
    counted = WorkspaceViews(warehouse, ANALYSIS, ())
    queries = Queries(rows=counted.select, experiment=_EXPERIMENT, splits=[_EXPERIMENT.split])
    counted.extent(queries)
    counted.counts(queries, queries.parameters(_AS_OF, 100))
    counted.logged(queries, ["film-1", "film-4", "film-99"])
    warehouse.execute(
        book._KNOWN_READINGS,
        table=ANALYSIS.feedback,
        feedback_ids=json.dumps(["verdict-1", "verdict-99"]),
    )
    warehouse.execute(
        book._KNOWN_REQUESTS,
        payload_table=ANALYSIS.payload,
        request_ids=json.dumps(["film-1", "film-2", "request-3", "request-7", "nothing"]),
    )
    warehouse.execute(
        store._RECORDED, table=FILMS.full_name(CATALOG), image_ids=json.dumps(["a", "z"])
    )
    asked: list[Asked] = warehouse.asked
    return asked


def read() -> list[Asked]:
    return [
        Asked(entry["statement"], entry["parameters"], Answer(**entry["answer"]))
        for entry in json.loads(FILE.read_text(encoding="utf-8"))
    ]


def write(asked: list[Asked]) -> None:
    entries = [dataclasses.asdict(one) for one in asked]
    FILE.write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _rows(columns: Mapping[str, str], rows: list[dict[str, Any]]) -> str:
    """A SELECT of rows; what a row does not say is NULL."""
    return "\nUNION ALL ".join(
        "SELECT " + ", ".join(f"{_literal(row.get(n), kind)} AS {n}" for n, kind in columns.items())
        for row in rows
    )


def _literal(value: Any, kind: str) -> str:
    if value is None:
        return f"CAST(NULL AS {kind})"
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'" if kind == "STRING" else f"CAST('{text}' AS {kind})"


def _time(minutes: float) -> str:
    return f"{_START + datetime.timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S.%f}"


_PAYLOAD: Final = {
    "databricks_request_id": "STRING",
    "client_request_id": "STRING",
    "request_time": "TIMESTAMP",
    "status_code": "INT",
    "execution_duration_ms": "BIGINT",
    "request": "STRING",
    "response": "STRING",
    "served_entity_id": "STRING",
    "requester": "STRING",
}
_SERVED: Final = {
    "served_entity_id": "STRING",
    "endpoint_name": "STRING",
    "served_entity_name": "STRING",
    "entity_name": "STRING",
    "entity_version": "STRING",
    "endpoint_config_version": "INT",
    "change_time": "TIMESTAMP",
}

_ANSWERS: Final = (
    # The client's id, the arm, minutes, the status, the response.
    ("film-1", "c", 0, 200, '{"predictions": [[0.9]]}'),
    ("film-2", "d", 1, 200, '{"predictions": [[0.25], [0.75], [0.5]]}'),
    (None, "c", 2.5, 200, '{"predictions": [[0.125]]}'),
    ("film-3", "d", 61, 500, '{"error_code": "INTERNAL_ERROR"}'),
    ("film-4", "d", 62, 200, '{"predictions": [[0.00001234567]]}'),
    ("film-4", "c", 63, 200, '{"predictions": [[0.4999999]]}'),
    ("replay-1", "c", 64, 200, '{"predictions": [[0.3]]}'),
    ("film-5", "e", 65, 200, '{"predictions": [[0.6]]}'),
    ("film-6", "c", 66, 200, None),
    ("film-7", "c", 67, 200, "{bad"),
    ("film-8", "d", 68, 200, '{"other": 1}'),
    ("film-9", "d", 69, 200, '{"predictions": [[1]]}'),
    ("film-10", "c", 70, 200, '{"predictions": [[0.50000005]]}'),
    ("film-11", "c", 60 * 24 * 3, 200, '{"predictions": [[0.995]]}'),
    ("film-12", "d", 60 * 24 * 59, 200, '{"predictions": [[0.01]]}'),
    ("film-13", "d", 71, 200, '{"predictions": [[0.35, 0.65]]}'),
)


def _requests() -> list[dict[str, Any]]:
    return [
        {
            "databricks_request_id": f"request-{number}",
            "client_request_id": client_id,
            "request_time": _time(minutes),
            "status_code": status,
            "execution_duration_ms": 10 + 3 * number,
            "request": "{}",
            "response": response,
            "served_entity_id": arm * 32,
            "requester": "clinic",
        }
        for number, (client_id, arm, minutes, status, response) in enumerate(_ANSWERS, start=1)
    ]


def _entities() -> list[dict[str, Any]]:
    return [
        {
            "served_entity_id": identity,
            "endpoint_name": "pneumonia",
            "served_entity_name": arm,
            "entity_name": "lake.models.pneumonia",
            "entity_version": version,
            "endpoint_config_version": config,
            "change_time": _time(minutes),
        }
        for identity, arm in _ARMS.items()
        for version, config, minutes in (("1", 1, -600), ("2", 2, 60), ("3", 3, 10**5))
    ]


def _verdicts() -> list[dict[str, Any]]:
    given = (
        # What it is of, what it says, who said it, minutes, and further columns.
        ("film-1", "PNEUMONIA", "reader-1", 120, {}),
        ("film-1", "NORMAL", "reader-2", 130, {"blind": False}),
        ("film-2", "NORMAL", "reader-1", 120, {}),
        ("film-2#1", "NORMAL", "reader-1", 121, {"confidence": "HIGH"}),
        ("request-3", "NORMAL", "reader-1", 122, {"sampling_probability": 0.25}),
        ("film-4", "PNEUMONIA", "reader-1", 123, {}),
        ("film-4", "NORMAL", "reader-1", 124, {"supersedes": "verdict-6"}),
        ("film-9", "INDETERMINATE", "reader-1", 125, {}),
        ("film-10", "PNEUMONIA", "reader-1", 126, {}),
        ("film-10", "PNEUMONIA", "reader-2", 126, {}),
        ("film-10", "INDETERMINATE", "reader-3", 126, {}),
        ("film-11", "PNEUMONIA", "reader-1", 60 * 24 * 4, {}),
        ("film-12", "NORMAL", "reader-1", 60 * 24 * 59.5, {}),
        ("nothing", "NORMAL", "reader-1", 127, {}),
    )
    return [
        {
            "feedback_id": f"verdict-{number}",
            "prediction_id": prediction,
            "ground_truth": truth,
            "radiologist_id": reader,
            "timestamp": _time(minutes),
            "written_at": _time(minutes + 0.5),
            "blind": True,
            **columns,
        }
        for number, (prediction, truth, reader, minutes, columns) in enumerate(given, start=1)
    ]


def _films() -> list[dict[str, Any]]:
    return [{"image_id": "a", "label": "NORMAL", "dataset_split": "train", "width": 28}]
