"""Films that the arms have answered and readers have read, to be replayed to both arms."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Any, Final

from ml.contract.errors import UserError
from ml.data.preparation import decode

if TYPE_CHECKING:
    from infra.declared.experiment import Experiment
    from ml.client import PredictionClient
    from ml.data.films import Images


_KEY: Final = re.compile(r"[0-9a-f]{16,64}")
"""Of a patient, by ingestion or by a context."""

_UNKNOWN: Final = "CAST(NULL AS STRING)"

_LABELLED: Final = """
SELECT
  prediction_id,
  MIN(probability) AS probability,
  COUNT_IF(ground_truth = '$positive') AS said_pneumonia,
  COUNT_IF(ground_truth = '$negative') AS said_normal,
  COUNT(*) AS readers,
  MIN(sampling_probability) AS sampling_probability,
  MIN($patient_key) AS patient_key
FROM IDENTIFIER(:labelled)
WHERE arm IN (:champion, :challenger)
  AND request_time >= CAST(:start AS TIMESTAMP)
  AND COALESCE(blind, TRUE)
GROUP BY prediction_id
ORDER BY prediction_id
"""


@dataclass(frozen=True, kw_only=True)
class LabelledFilm:
    """A film, or a row, that both arms are asked about."""

    image_id: str
    image: "Images | Mapping[str, Any]"
    """[height, width, 1], in [0, 1]; of a row its columns."""
    sick: bool
    sampling: float = 1.0
    """The probability with which its truth was asked for."""
    patient_key: str | None = None
    """The same for films of one patient; None where the patient is not known."""


def pseudonym(patient: str) -> str:
    """What tells a patient apart in a file that is kept: a key as it is, else a hash."""
    hashed = hashlib.sha256(f"replay: {patient}".encode()).hexdigest()
    return patient if _KEY.fullmatch(patient) else hashed


def logged_films(
    experiment: "Experiment",
    environment: str,
    warehouse: str | None,
    client: "PredictionClient",
    *,
    test: str | None = None,
) -> list[LabelledFilm]:
    """The films whose readers agree in their majority; an id of a request begins with its film's.

    Raises UserError where there is none.
    """
    from infra.declared.analysis import Analysis
    from infra.declared.environment import load
    from ml.contract.tables import FILMS
    from ml.data.image_id import DIGITS, is_image_id
    from ml.prediction.unlabelled import ingested
    from ml.workspace.warehouse import Warehouse

    loaded = load(environment, test).about_models(
        experiment.champion.model, experiment.challenger.model
    )
    analysis = Analysis.of(loaded)
    if analysis is None:
        raise UserError(f"environment {loaded.name}: its endpoint logs nothing to replay.")
    workspace = client.endpoint.client
    sql = Warehouse.named(workspace, warehouse or loaded.warehouse_name)
    labelled = analysis.full_name("labelled")
    described = sql.execute(f"DESCRIBE TABLE {labelled}")
    # A view that was deployed before there were contexts has no such column.
    has_patients = any(row["col_name"] == "patient_key" for row in described)
    statement = Template(_LABELLED).substitute(
        positive=analysis.task.positive,
        negative=analysis.task.negative,
        patient_key="patient_key" if has_patients else _UNKNOWN,
    )
    rows = sql.execute(
        statement,
        labelled=labelled,
        champion=experiment.champion.served_entity_name,
        challenger=experiment.challenger.served_entity_name,
        start=experiment.start.isoformat(sep=" "),
    )
    truths: dict[str, tuple[bool, float]] = {}
    contexts: dict[str, str] = {}
    for row in rows:
        image_id = str(row["prediction_id"])[:DIGITS]
        pneumonia, normal, readers = (
            int(str(row[name])) for name in ("said_pneumonia", "said_normal", "readers")
        )
        if not is_image_id(image_id) or 2 * max(pneumonia, normal) <= readers:
            continue
        called = float(str(row["probability"])) >= analysis.task.threshold
        by_rule = experiment.review_share if called else experiment.audit_share
        logged = row["sampling_probability"]
        truths[image_id] = (pneumonia > normal, float(logged) if logged else by_rule)
        if row["patient_key"]:
            contexts[image_id] = row["patient_key"]
    if not truths:
        raise UserError(
            f"{labelled}: no film of the experiment {experiment.name} has a "
            "truth and an image id. Films that python -m ml.predict sends have one."
        )
    films = ingested(workspace, sql, FILMS.full_name(loaded.catalog), list(truths))
    # Of one patient there may be a key of ingestion and another one of the contexts.
    same = {
        film.patient_key: contexts[film.image_id]
        for film in films
        if film.patient_key and film.image_id in contexts
    }
    return [
        LabelledFilm(
            image_id=film.image_id,
            image=decode(film.read(), client.image_size),
            sick=truths[film.image_id][0],
            sampling=truths[film.image_id][1],
            patient_key=contexts.get(film.image_id)
            or same.get(film.patient_key or "", film.patient_key),
        )
        for film in films
    ]
