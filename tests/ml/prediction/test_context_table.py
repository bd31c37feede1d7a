"""A context is in the table once, whatever happens on its way, and no tag of the patient is."""

from __future__ import annotations

import itertools
import re
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from infra.declared.context import ContextPlan
from ml.client import Answered, PredictionClient
from ml.contract.tables import PREDICTION_CONTEXT
from ml.prediction.context import Context
from ml.prediction.context_table import ContextTable
from ml.prediction.contexts import Contexts
from ml.prediction.journal import Journal
from ml.prediction.patient_key import PatientKeys
from ml.prediction.unlabelled import FilmFile
from ml.workspace.connection import WorkspaceError
from ml.workspace.endpoint import Answer, EndpointError
from ml.workspace.warehouse import Warehouse
from tests.ml.prediction.dicom_film import dicom_film
from tests.plugin.ingestion import create_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.plugin.served import Served

SECRET = "0123456789abcdef0123456789abcdef"
_catalogs = itertools.count()


class HalfDeadEndpoint:
    """Answers as an endpoint does, until it has answered so often."""

    url = "https://workspace/serving-endpoints/ab-test/invocations"
    name = "ab-test"
    connections = 2

    def __init__(self, answers: float = float("inf")) -> None:
        self.answers = answers

    def invoke(self, _: bytes) -> Answer:
        self.answers -= 1
        if self.answers < 0:
            raise EndpointError("no answer")
        return Answer(predictions=[[0.25]], served_entity="keras-1", databricks_request_id="r")


@pytest.fixture
def catalog(shared_workspace: Served) -> Iterator[str]:
    """A catalog of the test's own that has the table."""
    catalog = f"context_{next(_catalogs)}"
    client = shared_workspace.client
    client.post("/api/2.1/unity-catalog/catalogs", json={"name": catalog}).raise_for_status()
    gold = {"name": "gold", "catalog_name": catalog}
    client.post("/api/2.1/unity-catalog/schemas", json=gold).raise_for_status()
    shared_workspace.rows(create_table(PREDICTION_CONTEXT, catalog))
    return catalog


@pytest.fixture
def client(shared_workspace: Served, catalog: str, tmp_path: Path):
    """A client with a journal that outlives it."""

    def connect(endpoint: HalfDeadEndpoint | None = None) -> PredictionClient:
        sdk = shared_workspace.sdk()
        table = ContextTable(
            Warehouse(sdk, shared_workspace.warehouse_id),
            PREDICTION_CONTEXT.full_name(catalog),
            str(sdk.config.host),
        )
        plan = ContextPlan(sites={"north": ("Northern General",)})
        return PredictionClient(
            endpoint or HalfDeadEndpoint(),  # type: ignore[arg-type]
            Journal(tmp_path / "journal.db"),
            image_size=28,
            contexts=Contexts(PatientKeys(SECRET), plan, table),
        )

    return connect


@pytest.fixture
def rows(shared_workspace: Served, catalog: str):
    """What the table holds, by prediction."""

    def read() -> list[dict[str, Any]]:
        names = [column.name for column in PREDICTION_CONTEXT.columns]
        found = shared_workspace.rows(
            f"SELECT {', '.join(names)} FROM {PREDICTION_CONTEXT.full_name(catalog)} ORDER BY 1"
        )
        return [dict(zip(names, row, strict=True)) for row in found]

    return read


@pytest.fixture
def films(tmp_path: Path) -> list[FilmFile]:
    """Ten films of five patients."""
    folder = tmp_path / "films"
    folder.mkdir()
    for number in range(10):
        content = dicom_film(number, PatientID=f"p{number // 2}", PatientSex="F")
        (folder / f"{number}.dcm").write_bytes(content)
    return [FilmFile(path=it) for it in sorted(folder.iterdir())]


def test_each_prediction_has_one_row_under_its_own_id(client, rows, films) -> None:
    with client() as asked:
        outcomes = list(asked.predict_all(films))

    ids = {it.prediction.request_id for it in outcomes if isinstance(it, Answered)}
    found = rows()
    assert {row["prediction_id"] for row in found} == ids
    assert len(found) == len(ids) == 10
    assert {row["patient_key"] for row in found} == {
        PatientKeys(SECRET).key(f"p{number}") for number in range(5)
    }
    assert {row["sex"] for row in found} == {"F"}
    assert {row["view"] for row in found} == {None}


def test_after_a_failure_the_rest_follows_and_nothing_comes_twice(client, rows, films) -> None:
    with pytest.raises(EndpointError), client(HalfDeadEndpoint(answers=4)) as asked:
        list(asked.predict_all(films))
    assert rows() == []

    with client() as asked:
        first = list(asked.predict_all(films))
    with client() as asked:
        again = list(asked.predict_all(films))

    found = rows()
    assert len(found) == 10
    for outcomes in (first, again):
        assert {it.prediction.request_id for it in outcomes} == {
            row["prediction_id"] for row in found
        }


def test_a_row_that_was_written_just_before_the_journal_could_say_so_stays_one(
    client, rows, films, tmp_path
) -> None:
    with client() as asked:
        list(asked.predict_all(films))
    with sqlite3.connect(tmp_path / "journal.db") as database:
        database.execute("UPDATE context SET written_at = NULL")

    with client() as asked:
        assert asked.write_contexts() == 10
        assert asked.write_contexts() == 0

    assert len(rows()) == 10


def test_what_a_warehouse_did_not_take_waits_in_the_journal(
    client, rows, films, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise WorkspaceError("the warehouse is stopped")

    with monkeypatch.context() as patched:
        patched.setattr(ContextTable, "write", refuse)
        with pytest.raises(WorkspaceError, match="is stopped"), client() as asked:
            list(asked.predict_all(films))
    with client():
        pass

    assert len(rows()) == 10


def test_predictions_that_were_made_without_a_context_get_one_later(client, rows, films) -> None:
    with client() as asked:
        asked.contexts = None
        list(asked.predict_all(films))
    assert rows() == []

    with client(HalfDeadEndpoint(answers=0)) as asked:
        list(asked.predict_all(films))

    assert len(rows()) == 10


def test_the_first_context_of_a_prediction_stays(client, rows, films) -> None:
    with client() as asked:
        list(asked.predict_all(films))
    before = rows()

    with client() as asked:
        asked.contexts._site = "north"
        list(asked.predict_all(films))

    assert rows() == before


def test_a_program_may_say_the_context_itself(client, rows) -> None:
    import numpy as np

    with client() as asked:
        asked.predict(np.zeros((28, 28, 1), np.float32), context=Context(view="PA"))
        asked.predict(np.zeros((28, 28, 1), np.float32))
        asked.predict(dicom_film(PatientSex="M"))

    assert {(row["view"], row["sex"]) for row in rows()} == {("PA", None), (None, "M")}
    assert len(rows()) == 2


HOSTILE = {
    "PatientID": "MRN-4711-O'Brien\";--",
    "PatientName": "Hostile^Jane^van der",
    "PatientBirthDate": "19701231",
    "OtherPatientIDs": "SSN-078-05-1120",
    "PatientAddress": "12 Elm Street, Springfield",
    "PatientTelephoneNumbers": "+1 555 0199",
    "PatientComments": "told us that he is afraid",
    "PatientAge": "Hostile, 45",
    "PatientSex": "Hostile",
    "ViewPosition": "Hostile PA",
    "InstitutionName": "Practice of Dr. Hostile",
    "Manufacturer": "Hostile Jane X-ray of 12 Elm Street",
    "ManufacturerModelName": "born 1970-12-31",
    "AccessionNumber": "ACC-998877",
    "ReferringPhysicianName": "Strangelove^A",
    "StudyDescription": "Springfield afraid",
}


def test_no_value_of_a_patients_tags_is_in_the_journal_the_table_or_a_log(
    client, rows, tmp_path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of writing such a file
        content = dicom_film(**HOSTILE)
    (tmp_path / "film.dcm").write_bytes(content)
    caplog.set_level(0)
    caplog.clear()
    capfd.readouterr()

    with client() as asked:
        list(asked.predict_all([FilmFile(path=tmp_path / "film.dcm")]))
        told = repr(asked.contexts.unknown)

    (row,) = rows()
    assert row["patient_key"] == PatientKeys(SECRET).key(HOSTILE["PatientID"])
    said = capfd.readouterr()
    written = [
        *(file.read_bytes().decode("latin-1") for file in tmp_path.glob("journal.db*")),
        *(str(it) for name, it in row.items() if name not in ("prediction_id", "recorded_at")),
        *(said.out, said.err, caplog.text, told),
    ]
    words = {it for value in HOSTILE.values() for it in re.split(r"[^\w]+", value) if len(it) > 3}
    assert {"Hostile", "4711", "19701231"} <= words
    for text in written:
        assert not [word for word in words if word.upper() in text.upper()], text[:200]
        assert SECRET not in text
