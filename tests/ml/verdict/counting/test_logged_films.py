"""Films that were answered and read, found again to be replayed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.ml.verdict.log import CHALLENGER, CHAMPION

if TYPE_CHECKING:
    from tests.plugin.ingestion import Place


def film(shade: int) -> tuple[str, bytes]:
    """A film's id and content."""
    from ml.data.image_id import image_id_of

    out = io.BytesIO()
    pixels = np.full((28, 28), shade, np.uint8)
    pixels[:, 14:] += 60
    Image.fromarray(pixels).save(out, "PNG")
    return image_id_of(out.getvalue()), out.getvalue()


def ingest(place: Place, image_id: str, content: bytes, patient: str | None = None) -> None:
    path = f"{place.folder}/{image_id}.png"
    place.client.files.create_directory(place.folder)
    place.put(path, content)
    place.sql(
        f"INSERT INTO {place.table} (image_id, label, dataset_split, volume_path, file_size_bytes, "
        "width, height, sha256, patient_key, ingested_at, ingestion_batch_id) VALUES "
        f"('{image_id}', 'NORMAL', 'val', '{path}', {len(content)}, 28, 28, '{image_id}', "
        f"{repr(patient) if patient else 'NULL'}, CURRENT_TIMESTAMP(), 'batch')"
    )


@pytest.mark.programs
def test_the_majority_of_its_blind_readers_is_a_films_truth(
    place: Place,
    experiment,
    tmp_path,
) -> None:
    from infra.declared.analysis import Analysis
    from infra.declared.environment import load
    from infra.declared.experiment import load as load_experiment
    from ml.client import PredictionClient
    from ml.prediction.journal import Journal
    from ml.verdict.counting.logged_films import logged_films
    from ml.workspace.endpoint import Endpoint

    environment = load(place.file)
    labelled = Analysis.of(environment).full_name("labelled")
    place.client.schemas.create("gold", place.catalog)
    place.sql(
        f"CREATE TABLE {labelled} (prediction_id STRING, request_time TIMESTAMP, arm STRING, "
        "probability DOUBLE, ground_truth STRING, radiologist_id STRING, blind BOOLEAN, "
        "sampling_probability DOUBLE)"
    )
    read = {
        50: [("PNEUMONIA", True, 1.0)],
        60: [("PNEUMONIA", True, 0.5), ("NORMAL", True, 0.5), ("NORMAL", True, 0.5)],
        70: [("PNEUMONIA", True, 1.0), ("NORMAL", True, 1.0)],
        80: [("PNEUMONIA", False, 1.0)],
        90: [("NORMAL", True, None)],
    }
    for shade, readings in read.items():
        image_id, content = film(shade)
        ingest(place, image_id, content)
        for reader, (truth, blind, sampling) in enumerate(readings):
            place.sql(
                f"INSERT INTO {labelled} VALUES ('{image_id}-0123456789ab', "
                f"TIMESTAMP '2026-03-03 10:00:00', '{CHALLENGER if shade == 50 else CHAMPION}', "
                f"0.25, '{truth}', 'reader-{reader}', {blind}, {sampling or 'NULL'})"
            )
    endpoint = Endpoint(place.client, "ab-test")
    with PredictionClient(endpoint, Journal(tmp_path / "journal.db"), image_size=28) as client:
        films = logged_films(load_experiment(experiment(audit=0.25)), str(place.file), None, client)

    found = {it.image_id: it for it in films}
    assert found.keys() == {film(shade)[0] for shade in (50, 60, 90)}
    assert found[film(50)[0]].sick
    assert not found[film(60)[0]].sick
    assert found[film(60)[0]].sampling == 0.5
    # Where it is not logged, the experiment's share of answers NORMAL counts.
    assert found[film(90)[0]].sampling == 0.25
    left = found[film(50)[0]].image[:, :14]
    assert left == pytest.approx(np.full((28, 14, 1), 50 / 255), abs=1e-6)


@pytest.mark.programs
def test_a_patient_is_known_by_a_context_or_by_ingestion_and_is_one_patient_by_either(
    place: Place,
    experiment,
    tmp_path,
) -> None:
    from infra.declared.analysis import Analysis
    from infra.declared.environment import load
    from infra.declared.experiment import load as load_experiment
    from ml.client import PredictionClient
    from ml.prediction.journal import Journal
    from ml.verdict.counting.logged_films import logged_films
    from ml.workspace.endpoint import Endpoint

    labelled = Analysis.of(load(place.file)).full_name("labelled")
    place.client.schemas.create("gold", place.catalog)
    place.sql(
        f"CREATE TABLE {labelled} (prediction_id STRING, request_time TIMESTAMP, arm STRING, "
        "probability DOUBLE, ground_truth STRING, radiologist_id STRING, blind BOOLEAN, "
        "sampling_probability DOUBLE, patient_key STRING)"
    )
    context = "c" * 64
    patients = {
        50: ("b" * 16, context),
        60: ("b" * 16, None),
        70: (None, context),
        80: ("d" * 16, None),
        90: (None, None),
    }
    for shade, (ingested, known) in patients.items():
        image_id, content = film(shade)
        ingest(place, image_id, content, ingested)
        place.sql(
            f"INSERT INTO {labelled} VALUES ('{image_id}-0123456789ab', "
            f"TIMESTAMP '2026-03-03 10:00:00', '{CHAMPION}', 0.25, 'NORMAL', 'reader', TRUE, 1.0, "
            f"{repr(known) if known else 'NULL'})"
        )
    endpoint = Endpoint(place.client, "ab-test")
    with PredictionClient(endpoint, Journal(tmp_path / "journal.db"), image_size=28) as client:
        films = logged_films(load_experiment(experiment()), str(place.file), None, client)

    assert {it.image_id: it.patient_key for it in films} == {
        **{film(shade)[0]: context for shade in (50, 60, 70)},
        film(80)[0]: "d" * 16,
        film(90)[0]: None,
    }
