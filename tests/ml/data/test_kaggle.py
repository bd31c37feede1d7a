"""The Kaggle layout, with real films under the names that the collection has."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.contract.errors import InvalidData
from ml.data import kaggle, loading, partition
from tests.plugin.dicom_files import dicom, film


def reasons(data):
    return {excluded.film: excluded.reason for excluded in data.excluded}


@pytest.mark.parametrize(
    ("name", "patient", "label"),
    [
        ("person1_bacteria_1.jpeg", "person1", "PNEUMONIA"),
        ("person1000_virus_1681.jpeg", "person1000", "PNEUMONIA"),
        ("IM-0115-0001.jpeg", "IM-0115", "NORMAL"),
        ("NORMAL2-IM-1440-0001.jpeg", "NORMAL2-IM-1440", "NORMAL"),
        ("NORMAL2-IM-0285-0001-0002.jpeg", "NORMAL2-IM-0285", "NORMAL"),
        ("BACTERIA-1008087-0001.jpeg", "BACTERIA-1008087", "PNEUMONIA"),
        ("VIRUS-1980593-0001.jpeg", "VIRUS-1980593", "PNEUMONIA"),
        ("NORMAL-1003233-0001.jpeg", "NORMAL-1003233", "NORMAL"),
        ("scan.jpeg", None, None),
    ],
)
def test_a_file_name_carries_patient_and_label(name, patient, label):
    assert kaggle.patient_of(name) == patient
    assert kaggle.label_of(name) == label


def test_every_film_is_read_at_the_default_size(folder):
    folder.fill("train", patients=12, films=2)
    folder.fill("test", patients=5, first=100)

    data = loading.load(folder.root)

    assert data.image_size == 64
    assert data.parts["test"].images.shape == (10, 64, 64, 1)
    assert sum(map(len, data.parts.values())) == 12 * 2 * 2 + 10
    assert data.excluded == ()


def test_a_picture_keeps_its_content(folder, bundled):
    folder.fill("train", patients=4)
    path = folder.add("test/NORMAL/IM-0001-0001.png", edge=28)
    folder.add("test/PNEUMONIA/person99_virus_1.png", edge=28)

    image = loading.load(folder.root, image_size=28).parts["test"].images[0]

    with Image.open(path) as film:
        np.testing.assert_allclose(image[..., 0] * 255, np.asarray(film), atol=1e-3)


def test_validation_is_split_off_by_patient_never_by_film(folder):
    folder.fill("train", patients=30, films=4)

    data = loading.load(folder.root, image_size=28)

    assert len(data.parts["val"]) % 4 == 0
    assert 0 < len(data.parts["val"]) < len(data.parts["train"])
    assert data.parts["val"].count("NORMAL")
    assert data.parts["val"].count("PNEUMONIA")
    assert any("One patient in 10" in remark for remark in data.remarks)


def test_kaggles_own_small_validation_part_joins_the_training_films(folder):
    folder.fill("train", patients=20)
    folder.fill("val", patients=8, first=50)

    data = loading.load(folder.root, image_size=28)

    assert len(data.parts["train"]) + len(data.parts["val"]) == 56
    assert any("(16 films) is too small" in remark for remark in data.remarks)


def test_a_large_validation_part_is_kept(folder):
    folder.fill("train", patients=10)
    folder.fill("val", patients=partition.FEWEST_VALIDATION_FILMS, first=100)

    data = loading.load(folder.root, image_size=28)

    assert len(data.parts["val"]) == 2 * partition.FEWEST_VALIDATION_FILMS
    assert len(data.parts["train"]) == 20


def test_a_patient_of_the_test_part_is_left_out_of_training_and_named(folder):
    folder.fill("train", patients=10)
    folder.fill("test", patients=3, first=20)
    folder.add("test/PNEUMONIA/person4_virus_9.jpeg")

    data = loading.load(folder.root, image_size=28)

    assert reasons(data) == {
        "train/PNEUMONIA/person4_bacteria_1.jpeg": "the patient has films in the test part too"
    }
    assert any("Patients in test and in another part: 1" in remark for remark in data.remarks)
    assert len(data.parts["test"]) == 7


def test_a_film_whose_name_contradicts_its_folder_is_named(folder):
    folder.fill("train", patients=10)
    folder.add("train/NORMAL/person77_bacteria_3.jpeg", shows=1)
    folder.add("train/PNEUMONIA/NORMAL2-IM-0900-0001.jpeg", shows=0)

    assert reasons(loading.load(folder.root, image_size=28)) == {
        "train/NORMAL/person77_bacteria_3.jpeg": (
            "mislabelled: in NORMAL, but the name says PNEUMONIA"
        ),
        "train/PNEUMONIA/NORMAL2-IM-0900-0001.jpeg": (
            "mislabelled: in PNEUMONIA, but the name says NORMAL"
        ),
    }


def test_unreadable_files_are_named(folder):
    folder.fill("train", patients=10)
    whole = folder.add("train/NORMAL/IM-0500-0001.jpeg", edge=200)
    whole.write_bytes(whole.read_bytes()[:900])
    (folder.root / "train/PNEUMONIA/person90_virus_1.jpeg").write_bytes(b"")
    (folder.root / "train/PNEUMONIA/person91_virus_1.jpeg").write_text("no film")
    (folder.root / "train/PNEUMONIA/report.pdf").write_text("no film")

    left_out = reasons(loading.load(folder.root, image_size=28))

    assert (
        "cannot be decoded: image file is truncated" in left_out["train/NORMAL/IM-0500-0001.jpeg"]
    )
    assert left_out["train/PNEUMONIA/person90_virus_1.jpeg"] == "the file has no content"
    assert left_out["train/PNEUMONIA/person91_virus_1.jpeg"] == (
        "the content is neither JPEG nor PNG nor DICOM"
    )
    assert "the name does not end with .jpeg" in left_out["train/PNEUMONIA/report.pdf"]
    assert len(left_out) == 4


def test_what_file_managers_leave_behind_is_no_film(folder):
    folder.fill("train", patients=10)
    (folder.root / "train/NORMAL/.DS_Store").write_bytes(b"x")

    assert loading.load(folder.root, image_size=28).excluded == ()


def test_a_folder_that_is_no_class_is_named_film_by_film(folder):
    folder.fill("train", patients=10)
    folder.add("train/COVID/scan-1.jpeg", shows=1)

    assert reasons(loading.load(folder.root, image_size=28)) == {
        "train/COVID/scan-1.jpeg": "the folder COVID is not a class"
    }


def test_the_same_file_twice_is_read_once_for_the_part_that_judges(folder):
    folder.fill("train", patients=10)
    folder.fill("test", patients=3, first=40)
    shutil.copy(
        folder.root / "test/NORMAL/NORMAL2-IM-0040-0001.jpeg",
        folder.root / "train/NORMAL/IM-0700-0001.jpeg",
    )

    data = loading.load(folder.root, image_size=28)

    assert reasons(data) == {"train/NORMAL/IM-0700-0001.jpeg": "the same file is there twice"}
    assert len(data.parts["test"]) == 6


def test_a_file_in_both_classes_is_in_none(folder):
    folder.fill("train", patients=10)
    shutil.copy(
        folder.root / "train/NORMAL/NORMAL2-IM-0003-0001.jpeg",
        folder.root / "train/PNEUMONIA/scan.jpeg",
    )

    assert reasons(loading.load(folder.root, image_size=28)) == dict.fromkeys(
        ["train/NORMAL/NORMAL2-IM-0003-0001.jpeg", "train/PNEUMONIA/scan.jpeg"],
        "mislabelled: the same file is in the other class too",
    )


def test_films_without_a_patient_in_their_name_are_counted(folder):
    folder.fill("train", patients=10)
    folder.add("train/NORMAL/scan.jpeg")

    assert "1 of 21 file names carry no patient" in loading.load(folder.root, 28).remarks[0]


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_part_without_one_of_the_classes_is_refused(folder, part):
    folder.fill("train", patients=10)
    folder.fill("test", patients=3, first=40)
    shutil.rmtree(folder.root / part / "NORMAL")

    with pytest.raises(InvalidData, match=f"{part}/NORMAL: no film of the class NORMAL"):
        loading.load(folder.root, image_size=28)


def test_a_class_of_unreadable_films_alone_is_refused(folder):
    folder.fill("train", patients=5)
    for scan in (folder.root / "train" / "NORMAL").iterdir():
        scan.write_bytes(b"")

    with pytest.raises(InvalidData, match=r"no film of the class NORMAL; 5 films there cannot"):
        loading.load(folder.root, image_size=28)


def test_one_patient_of_a_class_cannot_be_split(folder):
    folder.fill("train", patients=1, films=6)

    with pytest.raises(InvalidData, match="come from 1 patient"):
        loading.load(folder.root, image_size=28)


def test_the_folder_above_is_refused_with_the_right_one(folder):
    folder.fill("train", patients=3)

    with pytest.raises(InvalidData, match=f"Did you mean {re.escape(str(folder.root))}"):
        loading.load(folder.root.parent)


@pytest.mark.parametrize("inside", ["train", "train/NORMAL"])
def test_a_folder_of_the_layout_is_refused_with_the_whole(folder, inside):
    folder.fill("train", patients=3)

    with pytest.raises(InvalidData, match=f"Did you mean {re.escape(str(folder.root))}"):
        loading.load(folder.root / inside)


def test_what_an_archive_leaves_behind_is_refused_as_that(folder):
    left = folder.root / "__MACOSX"
    (left / "chest_xray/train/NORMAL").mkdir(parents=True)

    with pytest.raises(InvalidData, match="is what an archive of macOS leaves behind"):
        loading.load(left)


@pytest.mark.parametrize("name", ["Train", "validation", "training"])
def test_a_part_of_another_name_is_never_left_out_in_silence(folder, name):
    folder.fill("train", patients=10)
    folder.fill("val", patients=10, first=50)
    (folder.root / "train").rename(folder.root / name)

    with pytest.raises(InvalidData, match=f"{name}: has folders of the classes"):
        loading.load(folder.root)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InvalidData, match="it holds nothing"):
        loading.load(tmp_path)


def test_a_test_part_alone_can_be_read(folder):
    folder.fill("test", patients=3)

    assert list(loading.load(folder.root, image_size=28).parts) == ["test"]


def test_reading_twice_gives_the_same_films_and_digest(folder):
    folder.fill("train", patients=25, films=2)

    first, second = (loading.load(folder.root, image_size=28) for _ in range(2))

    assert first.digest == second.digest
    np.testing.assert_array_equal(first.parts["val"].images, second.parts["val"].images)


@pytest.mark.parametrize("name", ["__MACOSX/chest_xray", ".hidden/chest_xray"])
def test_what_an_archive_leaves_behind_is_not_proposed(folder, name):
    folder.fill("train", patients=3)
    (folder.root.parent / name / "train" / "NORMAL").mkdir(parents=True)

    with pytest.raises(InvalidData, match=f"Did you mean {re.escape(str(folder.root))}"):
        loading.load(folder.root.parent)


@pytest.mark.parametrize("name", ["__MACOSX/._IM-0001-0001.jpeg", "Thumbs.db", "._film.jpeg"])
def test_what_windows_and_macos_leave_behind_is_no_film(folder, name):
    folder.fill("train", patients=10)
    left = folder.root / "train/NORMAL" / name
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"x")

    assert loading.load(folder.root, image_size=28).excluded == ()


def test_films_in_folders_of_a_class_are_of_that_class(folder):
    folder.fill("train", patients=10)
    bacteria = folder.add("train/PNEUMONIA/bacteria/person90_bacteria_1.jpeg", shows=1)
    folder.add("train/PNEUMONIA/bacteria/2019/scan.jpeg", shows=1)
    folder.add("train/NORMAL/virus/scan.jpeg", shows=1)
    assert bacteria.is_file()

    data = loading.load(folder.root, image_size=28)

    assert sum(films.count("PNEUMONIA") for films in data.parts.values()) == 12
    assert reasons(data) == {
        "train/NORMAL/virus/scan.jpeg": "mislabelled: in the folder virus of the folder NORMAL"
    }


def test_a_viewers_name_says_neither_class_nor_patient_of_a_pneumonia(folder):
    folder.fill("train", patients=10)
    folder.add("train/PNEUMONIA/IM-0001-0001.jpeg")
    folder.add("test/PNEUMONIA/IM-0001-0001.jpeg")
    folder.add("test/NORMAL/IM-0300-0001.jpeg")

    data = loading.load(folder.root, image_size=28)

    assert data.excluded == ()
    assert "2 of 23 file names carry no patient" in data.remarks[0]


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPG"])
def test_a_jpeg_may_have_any_of_its_suffixes(folder, suffix):
    folder.fill("train", patients=10)
    scan = folder.add("train/NORMAL/scan.jpeg")
    scan.rename(scan.with_suffix(suffix))

    assert loading.load(folder.root, image_size=28).excluded == ()


@pytest.mark.parametrize("name", ["scan.dcm", "IM000001", "1.2.840.113619.2"])
def test_a_dicom_film_is_taken_with_or_without_a_suffix_and_has_its_patient(folder, name):
    folder.fill("train", patients=10)
    for part in ("train", "test"):
        file = folder.root / part / "NORMAL" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = film(12) if part == "train" else film(16)
        file.write_bytes(dicom(pixels, bits=12 if part == "train" else 16, PatientID="4711"))
    folder.add("test/PNEUMONIA/person99_virus_1.jpeg")

    data = loading.load(folder.root, image_size=28)

    assert len(data.parts["test"]) == 2
    assert reasons(data) == {f"train/NORMAL/{name}": "the patient has films in the test part too"}


def test_a_file_name_that_is_not_utf8_is_written_down_readably(folder):
    folder.fill("train", patients=10)
    for label in ("NORMAL", "PNEUMONIA"):
        scan = folder.add(f"train/{label}/scan.jpeg")
        scan.rename(os.fsdecode(os.fsencode(scan.parent) + b"/r\xf6ntgen.jpeg"))
    Path(os.fsdecode(os.fsencode(scan.parent) + b"/leer\xff.jpeg")).touch()

    data = loading.load(folder.root, image_size=28)

    assert reasons(data) == {"train/PNEUMONIA/leer\\xff.jpeg": "the file has no content"}
    assert sum(map(len, data.parts.values())) == 22


def test_a_link_to_a_folder_is_that_folder_and_one_that_leads_back_up_ends(folder, tmp_path):
    folder.fill("train", patients=4, films=2)
    elsewhere = tmp_path / "elsewhere"
    shutil.move(folder.root / "train/PNEUMONIA", elsewhere)
    (folder.root / "train/PNEUMONIA").symlink_to(elsewhere)
    (elsewhere / "up").symlink_to(folder.root / "train")

    data = loading.load(folder.root)

    assert sum(map(len, data.parts.values())) == 4 * 2 * 2


def test_a_folder_that_cannot_be_read_is_not_left_out_in_silence(folder, monkeypatch):
    folder.fill("train", patients=4)
    closed, scandir = folder.root / "train/NORMAL", os.scandir

    def refused(place):  # whoever runs tests may read everything
        if Path(place) == closed:
            raise PermissionError(13, "Permission denied", place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refused)

    with pytest.raises(InvalidData, match="train/NORMAL: cannot be read: Permission denied"):
        loading.load(folder.root)


def test_what_is_neither_a_file_nor_a_folder_is_named_and_not_waited_for(folder):
    folder.fill("train", patients=4)
    os.mkfifo(folder.root / "train/NORMAL/pipe.jpeg")

    assert "neither a file" in reasons(loading.load(folder.root))["train/NORMAL/pipe.jpeg"]


def test_a_folder_whose_parts_are_empty_is_not_proposed_in_its_own_place(folder):
    (folder.root / "train/NORMAL").mkdir(parents=True)

    with pytest.raises(InvalidData, match=r"no films in 'train'.*it holds train"):
        loading.load(folder.root)
