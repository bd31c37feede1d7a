"""Training from what was ingested gets what training from the folder gets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ml.contract.errors import InvalidData, UserError
from ml.data import film_cache, ingested, loading
from ml.data.films import DataSet
from ml.data.partition import FEWEST_VALIDATION_FILMS
from ml.data.prepared import PreparedImages
from tests.ml.ingestion.delivery import Delivery
from tests.plugin.commands import Call
from tests.plugin.ingestion import Place


@pytest.fixture
def load(place: Place) -> Callable[..., DataSet]:
    """Loads what was ingested into the place."""
    return lambda image_size=None: loading.load(Path(f"ingested:{place.file}"), image_size)


def assert_the_same_films(one: DataSet, other: DataSet) -> None:
    assert one.parts.keys() == other.parts.keys()
    for part, films in one.parts.items():
        np.testing.assert_array_equal(films.images, other.parts[part].images)
        np.testing.assert_array_equal(films.labels, other.parts[part].labels)


def test_the_parts_are_those_that_were_delivered(
    place: Place, delivery: Delivery, ingest: Call, load: Callable[..., DataSet]
) -> None:
    for number, label in enumerate(("NORMAL", "PNEUMONIA")):
        for film in range(4):
            delivery.add("train", label, 1, patient=1000 * number + film + 1)
        for film in range(FEWEST_VALIDATION_FILMS):
            delivery.add("val", label, 1, patient=1000 * number + film + 100)
        for film in range(3):
            delivery.add("test", label, 1, patient=1000 * number + film + 300)
    ingest("--data", delivery.folder, "--environment", place.file)

    data = load()

    counts = {part: (f.count("NORMAL"), f.count("PNEUMONIA")) for part, f in data.parts.items()}
    assert counts == {
        "train": (4, 4),
        "val": (FEWEST_VALIDATION_FILMS, FEWEST_VALIDATION_FILMS),
        "test": (3, 3),
    }
    assert_the_same_films(data, loading.load(delivery.folder, 28))


def test_a_small_validation_part_stays_as_it_was_delivered(
    place: Place, delivery: Delivery, ingest: Call, load: Callable[..., DataSet]
) -> None:
    for number, part in enumerate(("train", "val")):
        for patient in range(4):
            delivery.add(part, "NORMAL", 1, patient=10 * number + patient + 1)
            delivery.add(part, "PNEUMONIA", 1, patient=10 * number + patient + 1)
    ingest("--data", delivery.folder, "--environment", place.file)

    assert {part: len(films) for part, films in load().parts.items()} == {"train": 8, "val": 8}


def test_a_validation_part_that_is_drawn_is_the_one_that_the_folder_gives(
    place: Place, delivery: Delivery, ingest: Call, load: Callable[..., DataSet]
) -> None:
    for patient in range(1, 31):
        delivery.add("train", "NORMAL", 2, patient=patient)
        delivery.add("train", "PNEUMONIA", 2, patient=patient)
    delivery.put("train/NORMAL/without-a-patient.jpeg", delivery.film("NORMAL"))
    ingest("--data", delivery.folder, "--environment", place.file)

    data = load()

    assert len(data.parts["val"])
    assert_the_same_films(data, loading.load(delivery.folder, 28))


def test_a_patient_who_is_in_two_parts_stays_in_the_one_that_judges(
    place: Place, delivery: Delivery, ingest: Call, load: Callable[..., DataSet]
) -> None:
    for patient in range(1, 5):
        delivery.add("train", "NORMAL", 1, patient=patient)
        delivery.add("train", "PNEUMONIA", 1, patient=patient)
    delivery.add("test", "NORMAL", 1, patient=50)
    delivery.put("test/PNEUMONIA/person4_virus_99.jpeg", delivery.film("PNEUMONIA"))
    ingest("--data", delivery.folder, "--environment", place.file)

    data = load()

    assert [excluded.reason for excluded in data.excluded] == [
        "the patient has films in the test part too"
    ]
    assert_the_same_films(data, loading.load(delivery.folder, 28))


def test_small_films_keep_their_size_unless_another_is_asked_for(
    place: Place, delivery: Delivery, ingest: Call, load: Callable[..., DataSet]
) -> None:
    for patient in range(1, 4):
        delivery.add("train", "NORMAL", 1, patient=patient)
        delivery.add("train", "PNEUMONIA", 1, patient=patient)
    ingest("--data", delivery.folder, "--environment", place.file)

    assert load().image_size == 28
    assert load(64).parts["train"].images.shape[1:] == (64, 64, 1)


def test_the_digest_depends_on_the_films_and_their_parts_alone(
    place: Place, delivery: Delivery, ingest: Call, load: Callable[..., DataSet]
) -> None:
    for patient in range(1, 4):
        delivery.add("train", "NORMAL", 1, patient=patient)
        delivery.add("train", "PNEUMONIA", 1, patient=patient)
    ingest("--data", delivery.folder, "--environment", place.file)
    first = load().digest
    assert load().digest == first

    delivery.add("train", "NORMAL", 1, patient=9)
    ingest("--data", delivery.folder, "--environment", place.file)

    assert load().digest != first


def test_nothing_ingested_yet_names_the_command(load: Callable[..., DataSet]) -> None:
    with pytest.raises(InvalidData, match=r"python -m ml\.ingest --environment"):
        load()


def test_a_film_that_is_gone_from_the_volume_is_named(
    place: Place, delivery: Delivery, ingest: Call, load: Callable[..., DataSet]
) -> None:
    delivery.add("train", "NORMAL", 2)
    ingest("--data", delivery.folder, "--environment", place.file)
    gone = next(iter(place.files()))
    place.client.files.delete(gone)

    with pytest.raises(InvalidData, match=gone):
        load()


def test_a_film_that_somebody_replaced_is_named(
    place: Place, delivery: Delivery, ingest: Call, load: Callable[..., DataSet]
) -> None:
    delivery.add("train", "NORMAL", 2)
    ingest("--data", delivery.folder, "--environment", place.file)
    changed = next(iter(place.files()))
    place.put(changed, delivery.film("PNEUMONIA"))

    with pytest.raises(InvalidData, match="SHA-256"):
        load()


def test_the_name_of_an_environment_means_what_was_ingested_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UserError, match="local workspace"):
        loading.load(Path("local"))


def test_a_path_goes_before_an_environment_of_its_name(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for patient in range(1, 4):
        delivery.add("train", "NORMAL", 1, patient=patient)
        delivery.add("train", "PNEUMONIA", 1, patient=patient)
    delivery.folder.rename(tmp_path / "local")
    monkeypatch.chdir(tmp_path)

    assert loading.load(Path("local")).source == "local"


def test_neither_a_path_nor_an_environment_says_both(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"no such file.*environment.*dev, local, pilot, prod"):
        loading.load(tmp_path / "nowhere")


def test_a_large_collection_is_downloaded_once_and_read_from_a_file(
    place: Place,
    delivery: Delivery,
    ingest: Call,
    load: Callable[..., DataSet],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for patient in range(4):
        delivery.add("train", "NORMAL", 2, patient=patient + 1)
        delivery.add("train", "PNEUMONIA", 2, patient=patient + 1)
    ingest("--data", delivery.folder, "--environment", place.file)
    in_memory = load()
    monkeypatch.setattr(film_cache, "LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr(film_cache, "FOLDER", tmp_path / "prepared")

    kept = load()
    monkeypatch.delattr(ingested, "_film")
    again = load()

    assert isinstance(kept.parts["train"].images, PreparedImages)
    for data in (kept, again):
        assert data.digest == in_memory.digest
        assert_the_same_films(data, in_memory)
