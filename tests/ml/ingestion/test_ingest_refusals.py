"""Files that are not ingested: each is named with its category, and nothing of it is written."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from ml.ingest import LEFT_OUT
from ml.ingestion.refusal import Category
from tests.ml.ingestion.delivery import Delivery
from tests.plugin.commands import Call
from tests.plugin.ingestion import Place

Spoil = Callable[[Delivery], list[str]]


def empty(delivery: Delivery) -> list[str]:
    delivery.put("train/NORMAL/IM-0002-0001.jpeg", b"")
    return ["train/NORMAL/IM-0002-0001.jpeg"]


def truncated_jpeg(delivery: Delivery) -> list[str]:
    content = delivery.film("NORMAL")
    delivery.put("train/NORMAL/IM-0002-0001.jpeg", content[: len(content) * 3 // 4])
    return ["train/NORMAL/IM-0002-0001.jpeg"]


def truncated_png(delivery: Delivery) -> list[str]:
    delivery.put("train/NORMAL/IM-0002-0001.png", delivery.film("NORMAL", "png")[:-40])
    return ["train/NORMAL/IM-0002-0001.png"]


def header_alone(delivery: Delivery) -> list[str]:
    delivery.put("train/NORMAL/IM-0002-0001.png", delivery.film("NORMAL", "png")[:33])
    return ["train/NORMAL/IM-0002-0001.png"]


def text_called_jpeg(delivery: Delivery) -> list[str]:
    delivery.put("train/NORMAL/IM-0002-0001.jpeg", b"<html>404 Not Found</html>")
    return ["train/NORMAL/IM-0002-0001.jpeg"]


def spreadsheet(delivery: Delivery) -> list[str]:
    delivery.put("train/NORMAL/labels.csv", b"film,label\n")
    return ["train/NORMAL/labels.csv"]


def gif_called_png(delivery: Delivery) -> list[str]:
    delivery.put("train/NORMAL/IM-0002-0001.png", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;")
    return ["train/NORMAL/IM-0002-0001.png"]


def copy_in_the_same_folder(delivery: Delivery) -> list[str]:
    film = delivery.film("NORMAL")
    delivery.put("train/NORMAL/IM-0002-0001.jpeg", film)
    delivery.put("train/NORMAL/IM-0002-0002.jpeg", film)
    return ["train/NORMAL/IM-0002-0002.jpeg"]


def copy_of_a_test_film(delivery: Delivery) -> list[str]:
    film = delivery.film("NORMAL")
    delivery.put("train/NORMAL/IM-0002-0001.jpeg", film)
    delivery.put("test/NORMAL/IM-0002-0001.jpeg", film)
    return ["train/NORMAL/IM-0002-0001.jpeg"]


def name_of_the_other_class(delivery: Delivery) -> list[str]:
    delivery.put("train/NORMAL/person9_bacteria_1.jpeg", delivery.film("PNEUMONIA"))
    return ["train/NORMAL/person9_bacteria_1.jpeg"]


def in_both_classes(delivery: Delivery) -> list[str]:
    film = delivery.film("NORMAL")
    delivery.put("train/NORMAL/a.jpeg", film)
    delivery.put("train/PNEUMONIA/a.jpeg", film)
    return ["train/NORMAL/a.jpeg", "train/PNEUMONIA/a.jpeg"]


def beside_the_classes(delivery: Delivery) -> list[str]:
    delivery.put("train/IM-0002-0001.jpeg", delivery.film("NORMAL"))
    delivery.put("train/TUBERCULOSIS/a.jpeg", delivery.film("NORMAL"))
    return ["train/IM-0002-0001.jpeg", "train/TUBERCULOSIS/a.jpeg"]


@pytest.mark.parametrize(
    ("spoil", "category", "kept"),
    [
        (empty, Category.EMPTY, 0),
        (truncated_jpeg, Category.CORRUPT, 0),
        (truncated_png, Category.CORRUPT, 0),
        (header_alone, Category.CORRUPT, 0),
        (text_called_jpeg, Category.NOT_AN_IMAGE, 0),
        (spreadsheet, Category.NOT_AN_IMAGE, 0),
        (gif_called_png, Category.NOT_AN_IMAGE, 0),
        (copy_in_the_same_folder, Category.DUPLICATE, 1),
        (copy_of_a_test_film, Category.DUPLICATE, 1),
        (name_of_the_other_class, Category.MISLABELLED, 0),
        (in_both_classes, Category.MISLABELLED, 0),
        (beside_the_classes, Category.MISPLACED, 0),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_bad_file_is_reported_and_the_others_are_ingested(
    place: Place,
    delivery: Delivery,
    ingest: Call,
    tmp_path: Path,
    spoil: Spoil,
    category: Category,
    kept: int,
) -> None:
    good = delivery.add("train", "NORMAL", 2)
    refused = spoil(delivery)
    report = tmp_path / "refused.csv"

    run = ingest(
        *("--data", delivery.folder, "--environment", place.file, "--report", report),
    )

    assert run.status == LEFT_OUT
    with report.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["file"], row["category"]) for row in rows] == [
        (name, category) for name in refused
    ]
    assert all(name in run.out for name in refused)
    assert f"Ingested {len(good) + kept} films" in run.out
    assert len(place.rows()) == len(place.files()) == len(good) + kept


def test_of_two_copies_the_one_that_judges_models_stays(
    place: Place, delivery: Delivery, ingest: Call
) -> None:
    copy_of_a_test_film(delivery)

    ingest("--data", delivery.folder, "--environment", place.file)

    assert [row["dataset_split"] for row in place.rows()] == ["test"]


def test_what_a_file_manager_leaves_behind_is_not_mentioned(
    place: Place, delivery: Delivery, ingest: Call
) -> None:
    delivery.add("train", "NORMAL", 1)
    delivery.put("train/NORMAL/.DS_Store", b"\0")

    assert ingest("--data", delivery.folder, "--environment", place.file).status == 0


def test_an_accepted_category_leaves_the_exit_status_alone(
    place: Place, delivery: Delivery, ingest: Call
) -> None:
    copy_in_the_same_folder(delivery)
    arguments = ("--data", delivery.folder, "--environment", place.file)

    assert ingest(*arguments, "--accept", "duplicate").status == 0
    assert ingest(*arguments, "--accept", "corrupt").status == LEFT_OUT


def test_a_film_that_comes_back_in_the_other_class_is_mislabelled(
    place: Place, delivery: Delivery, ingest: Call, tmp_path: Path
) -> None:
    film = delivery.film("NORMAL")
    delivery.put("train/NORMAL/a.jpeg", film)
    ingest("--data", delivery.folder, "--environment", place.file)
    rows = place.rows()
    later = Delivery(tmp_path / "later")
    later.put("train/PNEUMONIA/a.jpeg", film)

    run = ingest("--data", later.folder, "--environment", place.file)

    assert run.status == LEFT_OUT
    assert "PNEUMONIA here, but ingested as NORMAL before" in run.out
    assert place.rows() == rows


def test_a_film_that_comes_back_in_another_part_keeps_its_part(
    place: Place, delivery: Delivery, ingest: Call, tmp_path: Path
) -> None:
    film = delivery.film("NORMAL")
    delivery.put("test/NORMAL/a.jpeg", film)
    ingest("--data", delivery.folder, "--environment", place.file)
    later = Delivery(tmp_path / "later")
    later.put("train/NORMAL/a.jpeg", film)

    run = ingest("--data", later.folder, "--environment", place.file)

    assert run.status == LEFT_OUT
    assert [row["dataset_split"] for row in place.rows()] == ["test"]
