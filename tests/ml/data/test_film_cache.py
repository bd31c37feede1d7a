"""A folder of many films: prepared once, kept in a file, and read a batch at a time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.contract.errors import InvalidData
from ml.data import film_cache, kaggle, loading
from ml.data.prepared import OpenFile, PreparedImages
from ml.training.fitting import Batches
from ml.training.recipe import Recipe

SIZE = 32


@pytest.fixture
def data(folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder that is too large to hold in memory, as far as the code can tell."""
    monkeypatch.setattr(film_cache, "LARGEST_IN_MEMORY", 0)
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    folder.fill("train", patients=12, films=2)
    folder.fill("test", patients=5, first=100)
    (folder.root / "train/NORMAL/broken.jpeg").write_bytes(b"no film")
    return folder


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are decoded, one by one."""
    found: list[str] = []
    decode = kaggle.opened_and_prepared

    def count(content: bytes, size: int) -> Any:
        found.append("")
        return decode(content, size)

    monkeypatch.setattr(kaggle, "opened_and_prepared", count)
    return found


def kept() -> list[str]:
    return sorted(it.suffix or "kept" for it in film_cache.FOLDER.iterdir())


def test_it_is_the_data_set_that_is_read_into_memory(
    data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = loading.load(data.root, SIZE)
    monkeypatch.setattr(film_cache, "LARGEST_IN_MEMORY", 2**40)
    in_memory = loading.load(data.root, SIZE)

    assert cached.digest == in_memory.digest
    assert cached.excluded == in_memory.excluded
    for part, films in in_memory.parts.items():
        assert isinstance(cached.parts[part].images, PreparedImages)
        np.testing.assert_array_equal(cached.parts[part].images, films.images)
        np.testing.assert_array_equal(cached.parts[part].labels, films.labels)
        assert cached.parts[part].patients == films.patients


def test_its_batches_are_those_of_films_in_memory(
    data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(batch_size=8)
    cached = Batches(loading.load(data.root, SIZE).parts["train"], recipe).batch(1, 2)
    monkeypatch.setattr(film_cache, "LARGEST_IN_MEMORY", 2**40)
    in_memory = Batches(loading.load(data.root, SIZE).parts["train"], recipe).batch(1, 2)

    np.testing.assert_array_equal(cached.images, in_memory.images)


def test_a_second_command_decodes_nothing(data: Any, decoded: list[str]) -> None:
    first = loading.load(data.root, SIZE)
    before = len(decoded)

    second = loading.load(data.root, SIZE)

    assert before == 59
    assert len(decoded) == before
    assert second.digest == first.digest
    assert second.excluded == first.excluded


def a_film(data: Any) -> Path:
    return next(it for it in (data.root / "train/NORMAL").iterdir() if it.name != "broken.jpeg")


KEPT = ["a cut file", "another byte of an image", "another label in the index", "no index"]


@pytest.mark.parametrize(
    "change",
    ["a new film", "another content", "as large and as old", "a film less", *KEPT],
)
def test_what_has_changed_is_prepared_again(data: Any, decoded: list[str], change: str) -> None:
    before = loading.load(data.root, SIZE)
    decoded.clear()
    film = data.root / "train/NORMAL/IM-0001-0001.jpeg"
    match change:
        case "a new film":
            data.add("train/NORMAL/IM-0900-0001.jpeg")
        case "another content":
            film.write_bytes(data.add("train/NORMAL/IM-0900-0001.jpeg").read_bytes())
        case "as large and as old":
            film = a_film(data)
            content, known = film.read_bytes(), film.stat()
            film.write_bytes(content[:-1] + b"x")
            os.utime(film, ns=(known.st_atime_ns, known.st_mtime_ns))
        case "a film less":
            next((data.root / "train" / "PNEUMONIA").glob("*_*.jpeg")).unlink()
        case "a cut file":
            (images,) = film_cache.FOLDER.glob("*/images.u16")
            images.write_bytes(images.read_bytes()[:-1])
        case "another byte of an image":
            (images,) = film_cache.FOLDER.glob("*/images.u16")
            flipped = bytearray(images.read_bytes())
            flipped[len(flipped) // 2] ^= 1
            images.write_bytes(flipped)
        case "another label in the index":
            (index,) = film_cache.FOLDER.glob("*/index.json")
            index.write_text(index.read_text().replace('"label": 0', '"label": 1', 1))
        case "no index":
            next(film_cache.FOLDER.glob("*/index.json")).unlink()

    after = loading.load(data.root, SIZE)

    assert decoded
    assert (after.digest == before.digest) == (change in KEPT)
    assert kept() == [".lock", "kept"]  # nothing of the one before


def test_a_folder_that_was_moved_is_not_prepared_again(data: Any, decoded: list[str]) -> None:
    before = loading.load(data.root, SIZE)
    decoded.clear()
    moved = data.root.rename(data.root.with_name("moved"))

    after = loading.load(moved, SIZE)

    assert not decoded
    assert after.digest == before.digest
    assert kept() == [".lock", ".lock", "kept"]


def test_who_reads_is_not_disturbed_by_who_prepares_again(data: Any) -> None:
    images = loading.load(data.root, SIZE).parts["train"].images
    before = np.asarray(images)
    a_film(data).unlink()

    loading.load(data.root, SIZE)

    np.testing.assert_array_equal(np.asarray(images), before)


def test_a_second_command_waits_for_the_first_and_says_so(
    data: Any, decoded: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def first() -> None:
        loading.load(data.root, SIZE)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(first), pool.submit(first)]:
            done.result()

    assert len(decoded) == 59
    assert "waiting for it" in capsys.readouterr().err


def test_an_interruption_leaves_nothing_half(data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    decode, done = kaggle.opened_and_prepared, []

    def interrupted(content: bytes, size: int) -> Any:
        done.append("")
        if len(done) == 20:
            raise KeyboardInterrupt
        return decode(content, size)

    monkeypatch.setattr(kaggle, "opened_and_prepared", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loading.load(data.root, SIZE)
    assert kept() == [".lock"]
    monkeypatch.undo()


def test_what_a_killed_process_left_is_removed(data: Any) -> None:
    loading.load(data.root, SIZE)
    (place,) = film_cache.FOLDER.glob("*-*[0-9]")
    shutil.move(place, place.with_suffix(".building"))

    loading.load(data.root, SIZE)

    assert kept() == [".lock", "kept"]


def test_a_link_to_nothing_is_excluded_as_it_is_from_a_small_folder(data: Any) -> None:
    (data.root / "train/NORMAL/gone.jpeg").symlink_to("nowhere.jpeg")

    excluded = {it.film: it.reason for it in loading.load(data.root, SIZE).excluded}

    assert excluded["train/NORMAL/gone.jpeg"] == "cannot be read: No such file or directory"


def test_another_size_is_kept_beside_it(data: Any) -> None:
    for size in (SIZE, 28):
        assert loading.load(data.root, size).parts["test"].images.shape == (10, size, size, 1)

    assert kept() == [".lock", ".lock", "kept", "kept"]


def test_nothing_is_written_beside_the_data(data: Any) -> None:
    before = sorted(data.root.rglob("*"))

    loading.load(data.root, SIZE)

    assert sorted(data.root.rglob("*")) == before


def test_a_disk_that_is_full_is_said_before_films_are_decoded(
    data: Any, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**20, 2**20, 0))

    with pytest.raises(InvalidData, match=r"MiB are needed, and 0 MiB are free.*TMPDIR"):
        loading.load(data.root, SIZE)
    assert not decoded


def test_where_the_folder_cannot_be_written_to_films_are_prepared_for_one_command(
    data: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = np.asarray(loading.load(data.root, SIZE).parts["train"].images)
    shutil.rmtree(".local")
    Path(".local").write_text("a file")
    (passing := tmp_path / "passing").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(passing))

    images = loading.load(data.root, SIZE).parts["train"].images

    assert "Preparing them for this command alone" in capsys.readouterr().err
    assert list(passing.iterdir()) == []
    np.testing.assert_array_equal(np.asarray(images), before)


def test_sixteen_bits_are_as_good_as_kept(tmp_path: Path) -> None:
    from ml.data.prepared import stored

    images = np.random.default_rng(0).random((3, 8, 8, 1), np.float32)
    (tmp_path / "images").write_bytes(b"".join(map(stored, images)))

    read = PreparedImages(file=OpenFile(tmp_path / "images"), size=8, rows=np.arange(3))

    np.testing.assert_allclose(np.asarray(read), images, atol=1e-5)
    np.testing.assert_array_equal(list(read), read[:])
    np.testing.assert_array_equal(read.select(np.array([2, 0]))[:], read[np.array([2, 0])])
