"""The rows that the product's SQL is asked over: requests, served entities, readings, contexts,
films, and labelled rows as a file has them."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any, Final

from infra.declared import environment
from infra.declared.analysis import Analysis
from infra.declared.experiment import load
from infra.declared.monitoring import Limits, Monitoring
from infra.declared.watching import Watch
from ml.contract.tables import (
    FILMS,
    INPUT_MEASURES,
    PREDICTION_CONTEXT,
    PREDICTION_FEEDBACK,
    REFERENCE_DISTRIBUTIONS,
    SHADOW_ANSWERS,
    SIMULATION,
    VERDICTS,
    Table,
)
from ml.verdict.counting.day_queries import KEPT, MARKS
from ml.verdict.counting.rows import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CATALOG: Final = "product"
ANALYSIS: Final = Analysis(
    catalog=CATALOG,
    schema="gold",
    prefix="pneumonia_classifier",
    feedback=PREDICTION_FEEDBACK.full_name(CATALOG),
    context=PREDICTION_CONTEXT.full_name(CATALOG),
)
ENTITIES: Final = f"{CATALOG}.gold.served_entities"
"""Stands for the system table, which nobody but Databricks writes."""
USAGE: Final = f"{CATALOG}.gold.endpoint_usage"
"""Stands for the other one."""
LOGGED: Final = f"{CATALOG}.gold.logged"
"""Stands for a file of labelled rows."""
SUBGROUPS: Final = ("site", "sex")
EXPERIMENT: Final = load("pneumonia_ab").model_copy(update={"subgroups": SUBGROUPS})
START: Final = EXPERIMENT.start + datetime.timedelta(hours=1)
AS_OF: Final = START + datetime.timedelta(days=60)

WATCH: Final = Watch(
    analysis=ANALYSIS,
    test=environment.load("local").ab_test.model_copy(update={"endpoint": "pneumonia"}),
    monitoring=Monitoring(
        window_minutes=120,
        muted_minutes=1,
        minimum_requests=1,
        minimum_films=1,
        limits=Limits(positive_share=0.9),
    ),
    catalog=CATALOG,
)
NOW: Final = f"TIMESTAMP '{START + datetime.timedelta(minutes=73):%Y-%m-%d %H:%M:%S}'"
"""When the watch looks, in the place of `current_timestamp()`."""

_ARMS: Final = {
    "c" * 32: EXPERIMENT.champion.served_entity_name,
    "d" * 32: EXPERIMENT.challenger.served_entity_name,
}
_DAY: Final = 60 * 24


def tables() -> Iterator[tuple[str, str]]:
    """The name of each table and the SELECT of its rows."""
    yield ANALYSIS.payload, _rows(_PAYLOAD, _requests())
    yield ENTITIES, _rows(_SERVED, _entities())
    yield ANALYSIS.feedback, _rows(_columns(PREDICTION_FEEDBACK), _readings())
    yield ANALYSIS.context, _rows(_columns(PREDICTION_CONTEXT), _contexts())
    yield FILMS.full_name(CATALOG), _rows(_columns(FILMS), _films())
    yield ANALYSIS.full_name("verdict_days"), _rows({**MARKS, **KEPT}, list(_kept()))
    yield USAGE, _rows(_USED, _used())
    yield (
        REFERENCE_DISTRIBUTIONS.full_name(CATALOG),
        _rows(_columns(REFERENCE_DISTRIBUTIONS), _seen_in_validation()),
    )
    yield INPUT_MEASURES.full_name(CATALOG), _rows(_columns(INPUT_MEASURES), _measured())
    yield SHADOW_ANSWERS.full_name(CATALOG), _rows(_columns(SHADOW_ANSWERS), _shadowed())
    yield VERDICTS.full_name(CATALOG), _rows(_columns(VERDICTS), _verdicts())
    declared = {column.name: column.type for column in COLUMNS}
    yield LOGGED, _rows({**declared, **dict.fromkeys(SUBGROUPS, "STRING")}, list(_logged()))


def _columns(table: Table) -> dict[str, str]:
    return {column.name: column.type for column in table.columns}


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
    return f"{START + datetime.timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S.%f}"


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
_USED: Final = {
    "databricks_request_id": "STRING",
    "request_time": "TIMESTAMP",
    "status_code": "INT",
    "served_entity_id": "STRING",
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
    ("film-11", "c", _DAY * 3, 200, '{"predictions": [[0.995]]}'),
    ("film-12", "d", _DAY * 59, 200, '{"predictions": [[0.01]]}'),
    ("film-13", "d", 71, 200, '{"predictions": [[0.35, 0.65]]}'),
    ("film-14", "c", _DAY * 2, 200, '{"predictions": [[0.0004321]]}'),
    ("film-15", "d", _DAY * 2 + 1, 200, '{"predictions": [[0.87654321]]}'),
    ("film-16", "d", _DAY * 2 + 2, 200, '{"predictions": [[0.21]]}'),
    ("film-17", "c", _DAY * 2 + 3, 200, '{"predictions": [[0.7]]}'),
    ("film-18", "c", _DAY * 2 + 4, 404, None),
    ("film-19", "d", _DAY * 2 + 5, 200, '{"predictions": [[0.0]]}'),
    ("shadow-request-1", "d", _DAY * 2 + 6, 200, '{"predictions": [[0.75]]}'),
)


def _requests() -> list[dict[str, Any]]:
    return [
        {
            "databricks_request_id": f"request-{number}",
            "client_request_id": client_id,
            "request_time": _time(minutes),
            "status_code": status,
            "execution_duration_ms": 10 + 3 * number,
            "request": _sent(number),
            "response": response,
            "served_entity_id": arm * 32,
            "requester": "clinic",
        }
        for number, (client_id, arm, minutes, status, response) in enumerate(_ANSWERS, start=1)
    ]


def _sent(number: int) -> str | None:
    """The films of a request; some were sent twice, and one request was too large to be logged."""
    if number == 1:
        return None
    films = [[[[0.5], [1.0]], [[0.0], [(number % 5 + at) / 8]]] for at in range(3)]
    return json.dumps({"inputs": films}, separators=(",", ":"))


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


def _readings() -> list[dict[str, Any]]:
    given = (
        # What it is of, what it says, who said it, minutes, and further columns.
        ("film-1", "PNEUMONIA", "reader-1", 120, {}),
        ("film-1", "NORMAL", "reader-2", 130, {"blind": False}),
        ("film-2", "NORMAL", "reader-1", 120, {}),
        ("film-2#1", "NORMAL", "reader-1", 121, {"confidence": "HIGH"}),
        ("request-3", "NORMAL", "reader-1", 122, {"sampling_probability": 0.25}),
        ("film-4", "PNEUMONIA", "reader-1", 123, {}),
        ("film-4", "NORMAL", "reader-1", 124, {"supersedes": "reading-6"}),
        ("film-9", "INDETERMINATE", "reader-1", 125, {}),
        ("film-10", "PNEUMONIA", "reader-1", 126, {}),
        ("film-10", "PNEUMONIA", "reader-2", 126, {}),
        ("film-10", "INDETERMINATE", "reader-3", 126, {}),
        ("film-11", "PNEUMONIA", "reader-1", _DAY * 4, {"blind": None}),
        ("film-12", "NORMAL", "reader-1", _DAY * 59.5, {}),
        ("nothing", "NORMAL", "reader-1", 127, {}),
        # After the reveal: said again, changed, and corrected; what was said blind stays said.
        ("film-14", "NORMAL", "reader-1", _DAY * 2 + 60, {"sampling_probability": 0.5}),
        ("film-14", "NORMAL", "reader-1", _DAY * 2 + 61, {"blind": False}),
        ("film-15", "NORMAL", "reader-1", _DAY * 2 + 62, {}),
        ("film-15", "PNEUMONIA", "reader-1", _DAY * 2 + 63, {"blind": False}),
        ("film-16", "NORMAL", "reader-2", _DAY * 2 + 64, {"sampling_probability": 0.5}),
        (
            *("film-16", "PNEUMONIA", "reader-2", _DAY * 2 + 65),
            {"blind": False, "supersedes": "reading-19"},
        ),
        ("film-16", "PNEUMONIA", "reader-2", _DAY * 2 + 65, {"blind": False}),
        # A simulation, beside a reader and alone; and a clock that went back.
        ("film-17", "PNEUMONIA", "reader-1", _DAY * 2 + 66, {}),
        ("film-17", "NORMAL", "reader-1", _DAY * 2 + 67, {"feedback_source": SIMULATION}),
        ("film-19", "NORMAL", "reader-3", _DAY * 2 + 68, {"feedback_source": SIMULATION}),
        ("film-13", "NORMAL", "reader-2", 135, {"feedback_source": "reading room"}),
        ("film-13", "PNEUMONIA", "reader-2", 134, {"supersedes": "reading-25"}),
        # By Databricks' ids, which the readers had before the requests were logged.
        ("request-9", "PNEUMONIA", "reader-2", 136, {"pending": True}),
        ("request-2#2", "NORMAL", "reader-2", 137, {"pending": None}),
        ("request-13", "NORMAL", "reader-2", 138, {"pending": False}),
    )
    return [
        {
            "feedback_id": f"reading-{number}",
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


def _contexts() -> list[dict[str, Any]]:
    known = (
        # The prediction, the patient, site, view, band of age, sex; when.
        ("film-1", "a" * 16, "north", "AP", "40-64", "F", 1),
        ("film-2", "a" * 16, "north", "PA", "40-64", "F", 2),
        ("film-4", "b" * 16, "south", "PA", "80+", "M", 3),
        # Two clients wrote at once.
        ("film-10", "c" * 16, "south", "AP", None, "O", 4),
        ("film-10", "d" * 16, "north", "AP", None, None, 4),
        ("film-14", "a" * 16, "south", "LATERAL", "0-1", None, 5),
        ("film-15", "e" * 16, None, None, None, None, 6),
        ("film-16", "e" * 16, "north", None, None, "M", 7),
        ("film-17", None, "north", "PA", None, "F", 8),
        ("nothing", "f" * 16, "south", "PA", None, "F", 9),
    )
    return [
        {
            "prediction_id": prediction,
            "patient_key": patient,
            "site": site,
            "device_maker": "Maker1",
            "view": view,
            "age_band": band,
            "sex": sex,
            "recorded_at": _time(minutes),
        }
        for prediction, patient, site, view, band, sex, minutes in known
    ]


def _used() -> list[dict[str, Any]]:
    """What was answered; of two requests the inference table knows nothing."""
    lost = [{"databricks_request_id": f"lost-{it}", "request_time": _time(it)} for it in (5, 60)]
    known = [{name: row[name] for name in _USED if name in row} for row in _requests()]
    return [{"served_entity_id": "c" * 32, "status_code": 200, **row} for row in (*lost, *known)]


def _seen_in_validation() -> list[dict[str, Any]]:
    bins = ((None, 0.25, 0.5), (0.25, 0.5, 0.25), (0.5, 0.75, 0.25), (0.75, None, 0.0))
    return [
        {
            "model_name": "lake.models.pneumonia",
            "model_version": version,
            "measure": measure,
            "bin": bin_number,
            "lower_bound": lower,
            "upper_bound": upper,
            "share": share,
        }
        for version in (1, 2)
        for measure in ("probability", "mean")
        for bin_number, (lower, upper, share) in enumerate(bins)
    ]


def _measured() -> list[dict[str, Any]]:
    return [
        {
            "databricks_request_id": row["databricks_request_id"],
            "image_index": 0,
            "request_time": row["request_time"],
            "measure": "mean",
            "value": number / 20,
        }
        for number, row in enumerate(_requests()[:-3])
    ]


def _shadowed() -> list[dict[str, Any]]:
    return [
        {
            "prediction_id": prediction,
            "databricks_request_id": request,
            "image_index": 0,
            "request_time": _time(minutes),
            "champion": EXPERIMENT.champion.served_entity_name,
            "challenger": EXPERIMENT.challenger.served_entity_name,
            "champion_probability": champion,
            "challenger_probability": challenger,
        }
        for prediction, request, minutes, champion, challenger in (
            ("film-1", "request-1", 0, 0.9, 0.8),
            ("film-10", "request-13", 70, 0.50000005, 0.25),
            ("film-14", "request-17", _DAY * 2, 0.0004321, 0.5),
        )
    ]


def _verdicts() -> list[dict[str, Any]]:
    (challenger,) = WATCH.test.challengers
    return [
        {
            "endpoint_name": "pneumonia",
            "experiment": experiment,
            "experiment_hash": experiment,
            "challenger": challenger.served_entity_name,
            "as_of": _time(minutes),
            "verdict": verdict,
            "labels": 100,
            "recorded_at": _time(minutes),
        }
        for experiment, minutes, verdict in (
            ("first", 1, "ROLLBACK"),
            ("first", 2, "INCONCLUSIVE"),
            ("second", 1, "INCONCLUSIVE"),
            ("second", 3, "ROLLBACK"),
        )
    ]


def _films() -> list[dict[str, Any]]:
    return [
        {"image_id": "a", "label": "NORMAL", "dataset_split": "train", "width": 28},
        {"image_id": "b", "label": "PNEUMONIA", "patient_key": "b" * 16, "volume_path": "/Volumes"},
    ]


def _kept() -> Iterator[dict[str, Any]]:
    """Cells of days that were counted, and what is known of those days."""
    day = (START.date() - datetime.date(1970, 1, 1)).days
    of_a_cell = list(KEPT)
    sums = of_a_cell[of_a_cell.index("n") + 1 : of_a_cell.index("mature")]
    zeros = {**dict.fromkeys(sums, 0), "experiment": EXPERIMENT.name}
    film = {"propensity": 0.5, "called": True, "truth": 1, "sampling": 0.25}
    for side, slice_, n in ((0, day, 3), (1, day, 2), (0, day + 1, 1), (1, day + 59, 4)):
        for mature in (True, False) if slice_ > day else (False,):
            cell = {**zeros, "slice": slice_, "side": side, "n": n, "mature": mature}
            yield {**cell, "counted": "standings", "standing": 6 if n == 1 else 0, "truth": 1}
            yield {**cell, **film, "counted": "films", "day": slice_, "keyed": n > 1}
            for patient in ("f" * n, "e"):
                known = {**cell, **film, "day": slice_, "patient_key": patient}
                yield {**known, "counted": "units", "probability": 0.9 - n / 7}
                yield {**known, "counted": "patients by site", "subgroup": "north"[: 5 * (n % 2)]}
            yield {**cell, **film, "counted": "subgroup site", "subgroup": "north"}
            for probability in (0.00001234567, 0.0043219876, 0.87654321):
                yield {**cell, **film, "counted": "scores", "probability": probability}
        cell = {**zeros, "slice": slice_, "side": side, "n": n}
        yield {**cell, "counted": "requests", "day": slice_, "propensity": 0.5, "failures": 1}
        yield {**cell, "counted": "latencies", "milliseconds": 20 + n}
        yield {**cell, "counted": "lags", "hours": n}
        yield {**cell, "counted": "readings", "said_pneumonia": n, "said_normal": 1}
        yield {**cell, "counted": "subgroup_requests site", "subgroup": "north", "propensity": 0.5}
        known = {"experiment": EXPERIMENT.name, "slice": slice_}
        yield {**known, "counted": "known requests", "n": 10 * n, "digest": "ab12"}
    for name in ("film-1", "film-4", "film-10"):
        known = {"experiment": EXPERIMENT.name, "slice": day, "counted": "known prediction"}
        yield {**known, "prediction_id": name}
    named = {"prediction_id": "film-4", "databricks_request_id": "request-4"}
    yield {**known, **named, "counted": "known request"}
    yield {"experiment": EXPERIMENT.name, "counted": "known until", "n": 1_770_000_000}
    yield {"experiment": "another", "counted": "known until", "n": 1}


def _logged() -> Iterator[dict[str, Any]]:
    """One row for each answer and each reading of it; some columns say what a workspace does not
    know."""
    contexts = {it["prediction_id"]: it for it in _contexts()}
    readings = _readings()
    asked = set()
    for number, (client_id, arm, minutes, status, response) in enumerate(_ANSWERS, start=1):
        prediction_id = client_id or f"request-{number}"
        asked.add(prediction_id)
        answer = {
            "prediction_id": prediction_id,
            "request_time": _time(minutes),
            "arm": _ARMS.get(arm * 32),
            "probability": _probability(response),
            "status_code": status,
            "execution_duration_ms": 10 + 3 * number,
            "answer_number": 2 if number == 5 else 1,
            "image_index": 1 if number == 8 else 0,
            "propensity": (None, 0.5, 0.25)[number % 3],
            "chosen": (True, None, False)[number % 3],
            **_known(contexts.get(prediction_id, {})),
        }
        said = [it for it in readings if it["prediction_id"] == prediction_id]
        yield from ({**answer, **_said(reading)} for reading in said or [{}])
    yield from (_said(it) for it in readings if it["prediction_id"] not in asked)
    # Readings of readers who are not named.
    for truth in ("PNEUMONIA", "PNEUMONIA", "NORMAL"):
        yield {
            "prediction_id": "film-20",
            "request_time": _time(90),
            "arm": _ARMS["c" * 32],
            "probability": 0.8,
            "ground_truth": truth,
            "answer_number": 1,
            "image_index": 0,
            "status_code": 200,
            "blind": True,
        }


def _probability(response: str | None) -> float | None:
    try:
        (only,) = json.loads(response or "{}")["predictions"][0]
    except (ValueError, KeyError):
        return None
    return float(only)


def _known(context: Mapping[str, Any]) -> dict[str, Any]:
    return {name: context.get(name) for name in ("patient_key", *SUBGROUPS)}


def _said(reading: Mapping[str, Any]) -> dict[str, Any]:
    if not reading:
        return {}
    names = ("prediction_id", "ground_truth", "radiologist_id", "feedback_id", "supersedes")
    further = ("written_at", "feedback_source", "sampling_probability", "blind")
    return {
        **{name: reading.get(name) for name in (*names, *further)},
        "decided_at": reading["timestamp"],
    }
