"""Whom the licence of the films asks to name goes with the films."""

from pathlib import Path

from ml.data.loading import ATTRIBUTION, BUNDLED, load
from ml.ingestion.originals import find
from tests.ml.ingestion.delivery import Delivery
from tests.plugin.commands import Call
from tests.plugin.ingestion import Place


def test_the_bundled_films_arrive_with_their_attribution() -> None:
    films, _ = find(BUNDLED)

    assert {film.attribution for film in films} == {ATTRIBUTION}


def test_training_from_what_was_ingested_names_whom_the_films_name(
    place: Place, delivery: Delivery, ingest: Call
) -> None:
    for number, part in enumerate(("train", "val")):
        delivery.add(part, "NORMAL", 2, patient=10 * number + 1)
        delivery.add(part, "PNEUMONIA", 2, patient=10 * number + 2)
    ingest("--data", delivery.folder, "--environment", place.file)
    assert load(Path(f"ingested:{place.file}")).attribution is None

    place.sql(f"UPDATE {place.table} SET attribution = 'A clinic, CC BY 4.0'")

    assert load(Path(f"ingested:{place.file}")).attribution == "A clinic, CC BY 4.0"
