"""The product's own SQL as part of the corpus: views, dashboards, the verdict's counts, readings.

With it goes what an analyst asks of the views: `corpus/analyst.sql`, a query a line.
The statements are not written down here: the product's own code makes them, and whoever executes
them is given. Their answers over the rows of `product_rows.py` are in `corpus/product.json`.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final

from infra.declared.analysis import VIEWS
from infra.declared.reading import AuditStratum, ReadingPlan
from infra.declared.watching import WATCHED
from ml.contract.tables import (
    FILMS,
    INPUT_MEASURES,
    REFERENCE_DISTRIBUTIONS,
    REPLAY_MARK,
    SHADOW_ANSWERS,
    SHADOW_MARK,
)
from ml.workspace.additions import as_texts
from tests.infra.local.sql.product_rows import (
    ANALYSIS,
    AS_OF,
    CATALOG,
    ENTITIES,
    EXPERIMENT,
    LOGGED,
    NOW,
    START,
    SUBGROUPS,
    USAGE,
    WATCH,
)
from tests.infra.local.sql.questions import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE: Final = FOLDER / "product.json"
_DASHBOARDS: Final = Path(__file__).parents[4] / "infra" / "dashboards"
_READING: Final = ReadingPlan(
    audit_share=0.3, audit_strata=(AuditStratum(**{"from": 0.2}, share=0.75),), seed=7
)
_SPLITS: Final = (
    EXPERIMENT.split,
    EXPERIMENT.split.model_copy(
        update={"since": START + datetime.timedelta(days=1), "champion": 20, "challenger": 60}
    ),
)

_ANSWERS_OF_OTHER_TASKS: Final[tuple[tuple[tuple[str | int, ...], int, str], ...]] = (
    ((), 1, "[0.25, 0.5]"),
    ((1,), 2, "[[0.75, 0.25], [0.5, 0.5]]"),
    (("p",), 1, '[{"p": 0.25}, {"p": null}]'),
    (("scores", 1), 2, '[{"scores": [0.75, 0.25]}, {"scores": [0.5, 0.5]}]'),
)
"""Where the probability is in an answer, of how many values, and the answers to two inputs."""
_REQUESTS_OF_OTHER_TASKS: Final = (
    "(SELECT 'request-1' AS databricks_request_id, CAST(NULL AS STRING) AS client_request_id, "
    "TIMESTAMP '2026-01-02 03:04:05' AS request_time, 200 AS status_code, 'e' AS endpoint_name, "
    "'arm-1' AS arm, 'm' AS model_name, 1 AS model_version, CAST(5 AS BIGINT) AS "
    "execution_duration_ms, '{\"predictions\": $answers}' AS response UNION ALL SELECT "
    "'request-2', 'film-2', TIMESTAMP '2026-01-02 03:04:06', 400, 'e', 'arm-1', 'm', 1, "
    "CAST(7 AS BIGINT), CAST(NULL AS STRING))"
)

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
        statement = statement.replace("system.serving.served_entities", ENTITIES)
        answer = self._execute(statement, parameters)
        if not statement.startswith("DESCRIBE"):
            self.asked.append(Asked(statement, parameters, answer))
        return [dict(zip(answer.names, row, strict=True)) for row in answer.rows]


def views() -> Iterator[tuple[str, str]]:
    """The name of each view and its query."""
    queries = [(view, ANALYSIS.query(view.name)) for view in VIEWS]
    queries += [(view, WATCH.query(view.name)) for view in WATCHED]
    for view, query in queries:
        yield ANALYSIS.full_name(view.name), _here_and_now(query)


def _here_and_now(query: str) -> str:
    for theirs, ours in (
        ("system.serving.served_entities", ENTITIES),
        ("system.serving.endpoint_usage", USAGE),
        ("current_timestamp()", NOW),
    ):
        query = query.replace(theirs, ours)
    return query


def ask_everything(execute: Execute) -> list[Asked]:
    """Runs the product's statements by `execute`, over the tables and views."""
    warehouse: Any = _Warehouse(execute)
    for view in (*VIEWS, *WATCHED):
        warehouse.execute(f"SELECT * FROM {ANALYSIS.full_name(view.name)}")
    for path, values, answers in _ANSWERS_OF_OTHER_TASKS:
        task = dataclasses.replace(ANALYSIS.task, probability=path, values=values)
        query = dataclasses.replace(ANALYSIS, task=task).query("answers")
        requests = Template(_REQUESTS_OF_OTHER_TASKS).substitute(answers=answers)
        warehouse.execute(query.replace(ANALYSIS.full_name("requests"), requests))
    for alert in WATCH.alerts:
        warehouse.execute(alert.query)
    for file in sorted(_DASHBOARDS.glob("*.sql")):
        warehouse.execute(ANALYSIS.filled_in(file.read_text(encoding="utf-8")))
    for file in sorted((_DASHBOARDS / "watch").glob("*.sql")):
        warehouse.execute(WATCH.filled_in(file.read_text(encoding="utf-8")))
    for name in ("minutes", "rollbacks"):
        warehouse.execute(_here_and_now(WATCH.query(name)))
    for query in (FOLDER / "analyst.sql").read_text(encoding="utf-8").splitlines():
        warehouse.execute(WATCH.filled_in(query))
    _ask_for_a_verdict(warehouse)
    _ask_for_kept_days(warehouse)
    _ask_for_a_replay(warehouse)
    _ask_as_the_reading_room(warehouse)
    _ask_as_writers_do(warehouse)
    asked: list[Asked] = warehouse.asked
    return asked


def _ask_for_a_verdict(warehouse: Any) -> None:
    """Of the workspace, by a plan of reading or none, with simulations or without; of a file."""
    from ml.verdict.counting.counts import WorkspaceViews
    from ml.verdict.counting.queries import (
        MOST_SCORES,
        Extent,
        Queries,
        of_a_file,
        of_a_workspace,
        used,
    )
    from ml.verdict.counting.rows import COLUMNS, projection

    counted = WorkspaceViews(warehouse, ANALYSIS, SUBGROUPS)
    names = [*(column.name for column in COLUMNS), *SUBGROUPS]
    file = f"SELECT {projection(names, SUBGROUPS)} FROM {LOGGED}"
    drawn = dataclasses.replace(ANALYSIS, reading=_READING, simulations_count=True)
    few, many = Extent(), Extent(readings=MOST_SCORES + 1, samplings=2, propensities=2)
    for relations, splits, extent, simulations in (
        (of_a_workspace(ANALYSIS, SUBGROUPS), _SPLITS, few, False),
        (of_a_workspace(drawn, ()), _SPLITS[:1], many, True),
        (of_a_file(file, SUBGROUPS), _SPLITS, few, False),
        (of_a_file(file, ()), _SPLITS[:1], many, True),
    ):
        known = SUBGROUPS if len(splits) > 1 else ()
        queries = Queries(
            rows=relations,
            experiment=EXPERIMENT.model_copy(update={"subgroups": known}),
            splits=splits,
            simulations_count=simulations,
        )
        counted.extent(queries, AS_OF)
        values = queries.parameters(AS_OF, extent)
        counted.counts(queries, values)
        warehouse.execute(queries.cases, **used(queries.cases, values))
        counted.logged(queries, ["film-1", "film-4", "film-99"])


def _ask_for_kept_days(warehouse: Any) -> None:
    """What says which days are to be counted, what is counted of them, and their sum."""
    from ml.verdict.counting.day_queries import DayQueries, Days
    from ml.verdict.counting.queries import (
        MOST_SCORES,
        Extent,
        Queries,
        filled_in,
        of_a_workspace,
        used,
    )

    some = Days.of([(START.date() - datetime.date(1970, 1, 1)).days + day for day in (0, 2)])
    many = Extent(readings=MOST_SCORES + 1, samplings=2, propensities=2)
    for known, splits, extent in ((SUBGROUPS, _SPLITS, Extent()), ((), _SPLITS[:1], many)):
        experiment = EXPERIMENT.model_copy(update={"subgroups": known})
        relations = of_a_workspace(ANALYSIS, known)
        queries = Queries(rows=relations, experiment=experiment, splits=splits)
        sql = DayQueries(analysis=ANALYSIS, queries=queries)
        values = {
            **queries.parameters(AS_OF, extent),
            **some.parameters,
            **sql.named_parameters(some, some, some),
            "experiment": experiment.name,
        }
        for statement in (
            filled_in("days_known", days=sql.table, unknown="6"),
            sql.there,
            sql.named(some, some, some),
            sql.named(Days(()), Days(()), Days(())),
            sql.cells(some),
            sql.read(some),
            sql.counts,
            sql.units,
            dataclasses.replace(
                queries,
                rows=dataclasses.replace(
                    relations, moments=filled_in("moments_of_readings", feedback=ANALYSIS.feedback)
                ),
            ).extent,
        ):
            warehouse.execute(statement, **used(statement, values))


def _ask_for_a_replay(warehouse: Any) -> None:
    from ml.data import ingested
    from ml.prediction import unlabelled
    from ml.verdict.counting import logged_films

    for patient_key in ("patient_key", logged_films._UNKNOWN):
        warehouse.execute(
            Template(logged_films._LABELLED).substitute(
                positive="PNEUMONIA", negative="NORMAL", patient_key=patient_key
            ),
            labelled=ANALYSIS.full_name("labelled"),
            champion=EXPERIMENT.champion.served_entity_name,
            challenger=EXPERIMENT.challenger.served_entity_name,
            start=EXPERIMENT.start.isoformat(sep=" "),
        )
    films = FILMS.full_name(CATALOG)
    warehouse.execute(ingested._SELECT, table=films)
    warehouse.execute(unlabelled._PATHS, table=films, image_ids=json.dumps(["a", "b", "z"]))


def _ask_as_the_reading_room(warehouse: Any) -> None:
    from ml.reading_room import films, queue

    environment: Any = _Environment(_READING)
    queue.Queue(warehouse, environment, ANALYSIS).readings()
    predictions = ANALYSIS.full_name("predictions")
    wanted = json.dumps(["film-2", "film-2#1", "request-3", "film-1", "film-7", "nothing"])
    warehouse.execute(queue._CALLS, predictions=predictions)
    warehouse.execute(queue._OUTPUT, predictions=predictions, wanted=wanted)
    sent = {"predictions": predictions, "payload": ANALYSIS.payload}
    warehouse.execute(films._NAMES, wanted=wanted, **sent)
    for prediction_id in ("film-2#1", "film-1"):
        warehouse.execute(films._PICTURE, prediction_id=prediction_id, **sent)


def _ask_as_writers_do(warehouse: Any) -> None:
    """What readings, contexts and films are compared with, and what of them would be written."""
    from ml.feedback import book, logged
    from ml.ingestion import store
    from ml.prediction import context_table

    warehouse.execute(
        book._KNOWN_READINGS,
        table=ANALYSIS.feedback,
        feedback_ids=json.dumps(["reading-1", "reading-20", "reading-99"]),
    )
    warehouse.execute(
        logged._KNOWN_REQUESTS,
        payload_table=ANALYSIS.payload,
        request_ids=json.dumps(["film-1", "film-2", "request-3", "request-7", "nothing"]),
    )
    warehouse.execute(
        store._RECORDED, table=FILMS.full_name(CATALOG), image_ids=json.dumps(["a", "z"])
    )
    reading = {
        "feedback_id": "x",
        "prediction_id": "film-1",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "ground_truth": "NORMAL",
        "radiologist_id": "reader-1",
        "notes": 'said "so"',
        "blind": True,
        "sampling_probability": 0.25,
    }
    warehouse.execute(_source(book._WRITE), readings=json.dumps([reading, {"feedback_id": "y"}]))
    context = {"prediction_id": "x", "site": "north", "recorded_at": "2026-01-02T03:04:05+00:00"}
    warehouse.execute(_source(context_table._WRITE), rows=json.dumps([context]))
    _ask_as_monitoring_does(warehouse)
    _ask_as_the_shadow_does(warehouse)
    film = {"image_id": "x", "label": "NORMAL", "file_size_bytes": 2**40, "width": 28}
    warehouse.execute(_source(store._RECORD), films=json.dumps([film]))


def _ask_as_monitoring_does(warehouse: Any) -> None:
    from ml.monitoring import tables

    measures = INPUT_MEASURES.full_name(CATALOG)
    warehouse.execute(tables._KNOWN_VERSIONS, table=REFERENCE_DISTRIBUTIONS.full_name(CATALOG))
    for since in (START.isoformat(), (START + datetime.timedelta(days=2)).isoformat()):
        warehouse.execute(
            tables._UNMEASURED,
            payload=ANALYSIS.payload,
            measures=measures,
            since=since,
            replay=REPLAY_MARK,
            shadow=SHADOW_MARK,
        )
    warehouse.execute(
        tables._BODIES, payload=ANALYSIS.payload, wanted=json.dumps(["request-2", "nothing"])
    )
    first = {"model_name": "m", "model_version": 1, "measure": "mean", "bin": 0, "share": 0.5}
    rows = [{**first, "upper_bound": 0.25}, {**first, "bin": 1, "lower_bound": 0.25}]
    warehouse.execute(_source(tables._ADD_REFERENCE), rows=as_texts(rows))
    measure = {"databricks_request_id": "x", "image_index": 0, "measure": "mean", "value": 0.125}
    measured = [{**measure, "request_time": "2026-01-02T03:04:05.678Z"}]
    warehouse.execute(_source(tables._ADD_MEASURES), rows=as_texts(measured))
    verdict = {"endpoint_name": "pneumonia", "verdict": "KEEP", "labels": 12}
    warehouse.execute(_source(tables._ADD_VERDICT), rows=as_texts([verdict]))


def _ask_as_the_shadow_does(warehouse: Any) -> None:
    from ml.prediction import shadow
    from ml.verdict.counting import shadow_pairs

    names = {"predictions": ANALYSIS.full_name("predictions"), "payload": ANALYSIS.payload}
    table = SHADOW_ANSWERS.full_name(CATALOG)
    arms = [EXPERIMENT.champion.served_entity_name, EXPERIMENT.challenger.served_entity_name]
    warehouse.execute(
        shadow._UNASKED,
        **names,
        shadow=table,
        champion=arms[0],
        challenger=arms[1],
        since=START.isoformat(),
    )
    wanted = ["request-1", "request-3", "request-6", "nothing"]
    warehouse.execute(
        shadow._ANSWERED,
        **names,
        wanted=json.dumps(wanted),
        marked=json.dumps([f"{SHADOW_MARK}{it}" for it in wanted]),
        mark=SHADOW_MARK,
    )
    row = {"prediction_id": "x", "image_index": "0", "champion_probability": "0.25"}
    refused = {"prediction_id": "y", "refused": "too large"}
    warehouse.execute(_source(shadow._WRITE), rows=json.dumps([row, refused]))
    forgotten = shadow._FORGET.partition("IN (")[2].rpartition(")")[0]
    warehouse.execute(forgotten, shadow=table, challenger=arms[1])
    warehouse.execute(
        Template(shadow_pairs._PAIRS).substitute(
            positive=ANALYSIS.task.positive, negative=ANALYSIS.task.negative
        ),
        shadow=table,
        labelled=ANALYSIS.full_name("labelled"),
        champion=arms[0],
        challenger=arms[1],
        start=EXPERIMENT.start.isoformat(sep=" "),
    )


def _source(merge: str) -> str:
    """The query of the rows that a MERGE takes: Spark by itself has no tables to merge into."""
    return merge.partition("USING (")[2].partition(") AS arriving")[0].strip()


@dataclasses.dataclass(frozen=True)
class _Environment:
    """What the queue asks of an environment."""

    reading: ReadingPlan


def read() -> list[Asked]:
    return [
        Asked(entry["statement"], entry["parameters"], Answer(**entry["answer"]))
        for entry in json.loads(FILE.read_text(encoding="utf-8"))
    ]


def write(asked: list[Asked]) -> None:
    entries = [dataclasses.asdict(one) for one in asked]
    FILE.write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
