"""What ingestion leaves in the volume and in the table."""

import hashlib
import os
import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.data.dicom.header import without_the_patient
from ml.data.image_id import image_id_of
from ml.ingest import LEFT_OUT
from ml.ingestion.store import patient_key
from tests.ml.ingestion.delivery import Delivery
from tests.plugin.commands import Call
from tests.plugin.dicom_files import dicom, film
from tests.plugin.ingestion import Place


def folder_of_all_parts(delivery: Delivery) -> list[Path]:
    return [
        *delivery.add("train", "NORMAL", 3, patient=1),
        *delivery.add("train", "PNEUMONIA", 2, patient=2, suffix="png"),
        *delivery.add("val", "NORMAL", 1, patient=3),
        *delivery.add("test", "PNEUMONIA", 2, patient=4),
    ]


def test_every_film_of_a_folder_is_in_the_volume_byte_for_byte(
    place: Place, delivery: Delivery, run_command: Call, tmp_path: Path
) -> None:
    delivered = folder_of_all_parts(delivery)
    options = ("--data", delivery.folder, "--environment", place.file)

    done = run_command("-m", "ml.ingest", *options, cwd=tmp_path)

    assert (done.status, done.err) == (0, "")
    stored = sorted(place.content(path) for path in place.files())
    assert stored == sorted(file.read_bytes() for file in delivered)


def test_every_film_has_a_row_that_describes_it(
    place: Place, delivery: Delivery, ingest: Call
) -> None:
    delivered = folder_of_all_parts(delivery)
    before = datetime.now(UTC) - timedelta(seconds=1)

    ingest("--data", delivery.folder, "--environment", place.file)

    rows = {row["sha256"]: row for row in place.rows()}
    assert len(rows) == len(delivered)
    for file in delivered:
        row = rows[hashlib.sha256(file.read_bytes()).hexdigest()]
        assert row["label"] == file.parent.name
        assert row["dataset_split"] == file.parent.parent.name
        assert row["file_size_bytes"] == str(file.stat().st_size)
        assert (row["width"], row["height"]) == ("28", "28")
        assert place.content(str(row["volume_path"])) == file.read_bytes()
        assert before <= datetime.fromisoformat(str(row["ingested_at"])) <= datetime.now(UTC)
    assert len({row["ingestion_batch_id"] for row in rows.values()}) == 1


def test_a_path_tells_neither_class_nor_patient(
    place: Place, delivery: Delivery, ingest: Call
) -> None:
    folder_of_all_parts(delivery)

    ingest("--data", delivery.folder, "--environment", place.file)

    for row in place.rows():
        path = str(row["volume_path"])
        assert re.fullmatch(rf"{place.folder}/{row['image_id']}\.(jpeg|png)", path)
        assert str(row["sha256"]).startswith(str(row["image_id"]))


def test_films_of_one_patient_share_a_key_that_is_not_the_name(
    place: Place, delivery: Delivery, ingest: Call
) -> None:
    delivery.add("train", "PNEUMONIA", 2, patient=7)
    delivery.add("train", "NORMAL", 2, patient=8)

    ingest("--data", delivery.folder, "--environment", place.file)

    keys = {row["label"]: set() for row in place.rows()}
    for row in place.rows():
        keys[row["label"]].add(row["patient_key"])
    assert [len(found) for found in keys.values()] == [1, 1]
    assert keys["NORMAL"] != keys["PNEUMONIA"]
    assert not any("person7" in str(key) for found in keys.values() for key in found)


def test_a_patient_has_another_key_in_another_catalog() -> None:
    from ml.ingestion.store import patient_key

    assert patient_key("person7", "catalog_dev") != patient_key("person7", "catalog_prod")


def test_a_film_whose_name_has_no_patient_has_no_key(
    place: Place, delivery: Delivery, ingest: Call
) -> None:
    delivery.put("train/NORMAL/0001.jpeg", delivery.film("NORMAL"))

    ingest("--data", delivery.folder, "--environment", place.file)

    assert [row["patient_key"] for row in place.rows()] == [None]


def test_the_films_of_an_npz_are_png_files_of_the_same_pixels(
    place: Place, ingest: Call, tmp_path: Path
) -> None:
    from ml.data.loading import BUNDLED

    with np.load(BUNDLED) as bundled:
        images, labels = bundled["val_images"][:40], bundled["val_labels"][:40]
    np.savez(tmp_path / "films.npz", val_images=images, val_labels=labels)

    assert ingest("--data", tmp_path / "films.npz", "--environment", place.file).status == 0

    stored = {
        Image.open(BytesIO(place.content(str(row["volume_path"])))).tobytes(): row["label"]
        for row in place.rows()
    }
    assert stored == {
        image.tobytes(): ("NORMAL", "PNEUMONIA")[int(label[0])]
        for image, label in zip(images, labels, strict=True)
    }


def test_a_second_run_adds_nothing_and_says_so(
    place: Place, delivery: Delivery, ingest: Call
) -> None:
    folder_of_all_parts(delivery)
    ingest("--data", delivery.folder, "--environment", place.file)
    rows = place.rows()

    again = ingest("--data", delivery.folder, "--environment", place.file)

    assert again.status == 0
    assert "Nothing to add: 8 films" in again.out
    assert place.rows() == rows


def test_a_folder_that_grew_adds_what_is_new(
    place: Place, delivery: Delivery, ingest: Call
) -> None:
    folder_of_all_parts(delivery)
    ingest("--data", delivery.folder, "--environment", place.file)
    first = place.rows()
    delivery.add("train", "NORMAL", 2, patient=20)

    again = ingest("--data", delivery.folder, "--environment", place.file)

    assert "Ingested 2 films" in again.out
    later = place.rows()
    assert [row for row in later if row in first] == first
    assert len(later) == len(first) + 2


def test_a_film_that_the_volume_lost_is_uploaded_again(
    place: Place, delivery: Delivery, ingest: Call
) -> None:
    folder_of_all_parts(delivery)
    ingest("--data", delivery.folder, "--environment", place.file)
    files, rows = place.files(), place.rows()
    place.client.files.delete(next(iter(files)))

    again = ingest("--data", delivery.folder, "--environment", place.file)

    assert "Restored 1 " in again.out
    assert place.files() == files
    assert place.rows() == rows


def test_a_film_that_is_in_the_volume_by_half_is_uploaded_whole(
    place: Place, delivery: Delivery, ingest: Call
) -> None:
    (film,) = delivery.add("train", "NORMAL", 1)
    name = hashlib.sha256(film.read_bytes()).hexdigest()[:32]
    path = f"{place.folder}/{name}.jpeg"
    place.put(path, film.read_bytes()[:100])

    ingest("--data", delivery.folder, "--environment", place.file)

    assert place.content(path) == film.read_bytes()


@pytest.mark.parametrize("suffix", ["jpeg", "png"])
def test_a_film_is_stored_under_the_ending_of_what_it_is(
    place: Place, delivery: Delivery, ingest: Call, suffix: str
) -> None:
    delivery.put("train/NORMAL/film.JPG", delivery.film("NORMAL", suffix))

    ingest("--data", delivery.folder, "--environment", place.file)

    assert [Path(path).suffix for path in place.files()] == [f".{suffix}"]


def test_a_hostile_file_name_is_only_a_name(place: Place, delivery: Delivery, ingest: Call) -> None:
    delivery.put(
        f"train/PNEUMONIA/person1_virus_1'); DROP TABLE {place.table}; --.jpeg",
        delivery.film("PNEUMONIA"),
    )

    assert ingest("--data", delivery.folder, "--environment", place.file).status == 0

    assert [row["label"] for row in place.rows()] == ["PNEUMONIA"]


def test_more_films_than_one_statement_takes_all_have_their_row(
    place: Place, ingest: Call, tmp_path: Path
) -> None:
    from ml.data.loading import BUNDLED
    from ml.ingestion.transfer import ROWS_A_STATEMENT

    with np.load(BUNDLED) as bundled:
        images = np.unique(bundled["train_images"], axis=0)[: 2 * ROWS_A_STATEMENT + 1]
    np.savez(
        tmp_path / "films.npz",
        train_images=images,
        train_labels=np.zeros((len(images), 1), np.uint8),
    )

    ingest("--data", tmp_path / "films.npz", "--environment", place.file)

    assert len(place.rows()) == len(place.files()) == len(images)


def test_the_exit_status_of_refused_files_is_of_its_own() -> None:
    assert LEFT_OUT not in (0, 1, 2, 130)


def test_dicom_films_are_taken_by_any_name_and_kept_without_their_patient(
    place: Place, delivery: Delivery, ingest: Call, tmp_path: Path
) -> None:
    report = tmp_path / "refused.csv"
    chest = dicom(film(12), bits=12, PatientID="4711")
    delivery.put("train/NORMAL/IM000001", chest)
    delivery.put("train/PNEUMONIA/viral/scan.jfif", delivery.film("PNEUMONIA"))
    other = delivery.put("train/NORMAL/slice.dcm", dicom(film(10), bits=10, Modality="CT"))
    other.rename(os.fsdecode(os.fsencode(other.parent) + b"/r\xf6ntgen.dcm"))
    arguments = ("--data", delivery.folder, "--environment", place.file, "--report", report)

    run = ingest(*arguments)

    assert run.status == LEFT_OUT
    assert "no chest film: train/NORMAL/r\\xf6ntgen.dcm: its Modality (0008,0060) is CT" in run.out
    assert "r\\xf6ntgen.dcm" in report.read_text(encoding="utf-8")
    row = next(it for it in place.rows() if str(it["volume_path"]).endswith(".dcm"))
    assert (row["width"], row["height"]) == ("70", "90")
    assert row["patient_key"] == patient_key("4711", place.catalog)
    kept = place.content(str(row["volume_path"]))
    assert kept == without_the_patient(chest)
    assert b"4711" not in kept
    assert (row["sha256"], row["image_id"]) == (
        hashlib.sha256(kept).hexdigest(),
        image_id_of(chest),
    )
    assert ingest(*arguments, "--any-modality").status == 0
    assert len(place.rows()) == 3
