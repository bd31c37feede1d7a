"""The MedMNIST layout: what is read, and what is refused."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from ml.contract.errors import InvalidData
from ml.data import loading


def test_the_bundled_films_are_those_of_the_shared_file():
    data = loading.load(loading.BUNDLED)

    assert data.image_size == 28
    assert {part: len(films) for part, films in data.parts.items()} == {"train": 4698, "val": 524}
    assert data.parts["val"].count("NORMAL") == 135
    assert data.parts["train"].count("NORMAL") == 1214
    assert "CC BY 4.0" in data.attribution


def test_pixels_are_floats_from_0_to_1_with_a_channel(bundled):
    films = loading.load(loading.BUNDLED).parts["val"]

    assert films.images.shape == (524, 28, 28, 1)
    assert films.images.dtype == np.float32
    np.testing.assert_allclose(films.images[..., 0] * 255, bundled["val_images"], atol=1e-4)
    np.testing.assert_array_equal(films.labels, bundled["val_labels"][:, 0])


def test_no_film_is_in_two_parts():
    data = loading.load(loading.BUNDLED)
    train, val = ({film.tobytes() for film in data.parts[part].images} for part in ("train", "val"))

    assert not train & val


def test_a_film_of_validation_that_is_in_training_too_is_named(bundled):
    data = loading.load(loading.BUNDLED)

    assert len(data.excluded) == 10
    for excluded in data.excluded:
        index = int(excluded.film.removeprefix("train_images[").removesuffix("]"))
        film = bundled["train_images"][index]
        assert (bundled["val_images"] == film).all(axis=(1, 2)).any()


def test_a_test_part_is_read_where_there_is_one(few_films, write_npz):
    assert len(loading.load(write_npz(**few_films)).parts["test"]) == 90


def test_a_file_with_a_test_part_alone_can_be_read(few_films, write_npz):
    path = write_npz(test_images=few_films["test_images"], test_labels=few_films["test_labels"])

    data = loading.load(path)

    assert list(data.parts) == ["test"]
    with pytest.raises(InvalidData, match="no films to train on"):
        loading.require_for_training(data)


def test_films_are_resized_to_the_wanted_size(few_films, write_npz):
    data = loading.load(write_npz(**few_films), image_size=40)

    assert data.image_size == 40
    assert data.parts["train"].images.shape[1:] == (40, 40, 1)


def test_a_channel_of_one_and_flat_labels_are_understood(few_films, write_npz):
    path = write_npz(
        **few_films
        | {
            "val_images": few_films["val_images"][..., np.newaxis],
            "val_labels": few_films["val_labels"][:, 0],
        }
    )

    assert loading.load(path).parts["val"].images.shape == (120, 28, 28, 1)


def test_the_digest_is_of_the_films_not_of_the_file(few_films, tmp_path):
    np.savez(tmp_path / "plain.npz", **few_films)
    np.savez_compressed(tmp_path / "compressed.npz", **few_films)
    changed = few_films | {"val_labels": 1 - few_films["val_labels"]}
    np.savez(tmp_path / "changed.npz", **changed)

    digests = [
        loading.load(tmp_path / f"{name}.npz").digest for name in ("plain", "compressed", "changed")
    ]

    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val_labels": None}, "val_labels is missing"),
        ({"train_images": np.zeros((320, 28, 28, 3), np.uint8)}, r"train_images has shape \(320,"),
        ({"train_images": np.zeros((320, 28, 28), np.float32)}, "train_images is float32"),
        ({"val_labels": np.zeros((119, 1), np.uint8)}, r"val_labels has shape \(119, 1\) for 120"),
        ({"val_labels": np.zeros((120, 14), np.uint8)}, r"val_labels has shape \(120, 14\)"),
        ({"val_labels": np.full((120, 1), 2, np.uint8)}, r"val_labels\[0\] is 2"),
        ({"val_labels": np.zeros((120, 1))}, "val_labels is float64"),
    ],
)
def test_a_wrong_array_is_refused_with_its_file_and_key(few_films, write_npz, changes, message):
    arrays = {key: value for key, value in (few_films | changes).items() if value is not None}
    path = write_npz(**arrays)

    with pytest.raises(InvalidData, match=message) as refusal:
        loading.load(path)

    assert str(path) in str(refusal.value)


def test_a_file_of_something_else_is_refused_with_its_keys(write_npz):
    with pytest.raises(InvalidData, match="none of the keys is a part of films: x, y"):
        loading.load(write_npz(x=np.zeros(3), y=np.zeros(3)))


def test_one_array_without_a_key_is_refused(tmp_path: Path):
    path = tmp_path / "films.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))

    with pytest.raises(InvalidData, match="one array without a key"):
        loading.load(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"not an archive"])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "films.npz"
    path.write_bytes(content)

    with pytest.raises(InvalidData, match=r"not readable as an \.npz"):
        loading.load(path)


def test_a_truncated_file_is_refused(tmp_path: Path):
    path = tmp_path / "films.npz"
    path.write_bytes(loading.BUNDLED.read_bytes()[:500_000])

    with pytest.raises(InvalidData, match=r"not readable as an \.npz"):
        loading.load(path)


def test_pickled_objects_are_not_run(tmp_path: Path):
    path = tmp_path / "films.npz"
    np.savez(path, train_images=np.array([print], dtype=object))

    with pytest.raises(InvalidData, match=r"not readable as an \.npz"):
        loading.load(path)


def test_a_path_that_is_not_there_names_the_way_out(tmp_path: Path):
    with pytest.raises(InvalidData, match=r"no such file or folder.*leave --data out"):
        loading.load(tmp_path / "nowhere.npz")


def test_training_needs_both_classes(few_films, write_npz):
    sick = few_films["train_labels"][:, 0] == 1
    path = write_npz(
        **few_films
        | {
            "train_images": few_films["train_images"][sick],
            "train_labels": few_films["train_labels"][sick],
        }
    )

    with pytest.raises(InvalidData, match="no film of the class NORMAL in the part 'train'"):
        loading.require_for_training(loading.load(path))


def test_a_zip_of_films_is_refused_without_listing_or_reading_them(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3000):
            archive.writestr(f"chest_xray/train/NORMAL/IM-{number:04}-0001.jpeg", b"film")

    with pytest.raises(InvalidData, match=r"a zip file with 3,000 files.*Unzip it") as refusal:
        loading.load(path)
    assert len(str(refusal.value)) < 300


def test_archives_in_an_archive_are_to_be_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("chest_xray.zip", b"films")

    with pytest.raises(InvalidData, match="further archives among them"):
        loading.load(tmp_path / "archive.zip")


def test_of_another_archive_a_few_names_are_shown(write_npz) -> None:
    path = write_npz(**{f"array_{number}": np.zeros(1) for number in range(500)})

    with pytest.raises(InvalidData, match="array_7 and 492 more"):
        loading.load(path)


def test_what_is_beside_the_layout_is_not_read(few_films, write_npz) -> None:
    objects = np.array([{"no": "array"}], object)

    assert loading.load(write_npz(**few_films, notes=objects)).parts


@pytest.mark.parametrize(
    ("name", "content", "way_out"),
    [
        ("films.tar.gz", b"\x1f\x8b\x08", "unpack it"),
        ("films.7z", b"7z\xbc\xaf'\x1c", "unpack it"),
        ("films.tar", bytes(257) + b"ustar", "unpack it"),
        ("film.jpeg", b"\xff\xd8\xff", "ml.predict takes"),
        ("films.npz", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("films.csv", b"film,label\n", "of another kind"),
    ],
)
def test_what_is_no_data_set_is_said_with_the_way_out_and_never_to_be_unpickled(
    tmp_path: Path, name: str, content: bytes, way_out: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(InvalidData, match=way_out) as refusal:
        loading.load(path)
    assert "pickle" not in str(refusal.value)


@pytest.mark.parametrize("name", ["x.npy", "x.csv", "x.tar.gz"])
def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "x.npy":
        np.save(path, np.zeros((2, 28, 28), np.uint8))
    else:
        path.write_bytes(b"\x1f\x8b\x08 film,label\n")

    with pytest.raises(InvalidData, match=name) as refusal:
        loading.load(path)
    assert "\n" not in str(refusal.value)
