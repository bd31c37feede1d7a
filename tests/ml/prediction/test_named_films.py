"""What `ml.predict` takes for a film, before any endpoint is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ml.data.image_id import image_id_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.commands import Call

NOWHERE = ("--environment", "nowhere")
"""No such environment: a run that accepts its films ends with that."""

ID = image_id_of(b"film")


@pytest.fixture
def listed(run_main: Call, tmp_path: Path):
    """Runs the command with a list of this content."""

    def run(content: bytes, *options: str):
        (tmp_path / "ids.txt").write_bytes(content)
        return run_main("ml.predict", "@ids.txt", *NOWHERE, *options)

    return run


@pytest.mark.parametrize(
    "content",
    [
        f"{ID}\n\n".encode(),
        f"\n  \n{ID}".encode(),
        f"\ufeff{ID}\r\n\r\n".encode(),
        f"{ID} \t\n".encode(),
    ],
)
def test_blank_lines_a_byte_order_mark_and_line_ends_of_windows_name_no_film(
    listed, content, tmp_path
):
    (tmp_path / "other.png").touch()

    run = listed(content)

    assert run.status == 1
    assert "there is no such file or folder, and it is no image id" not in run.err
    assert "nowhere" in run.err


def test_a_list_may_name_a_file_whose_name_begins_like_an_option_or_ends_in_a_space(
    listed, tmp_path
):
    for name in ("--again", "film.png "):
        (tmp_path / name).touch()

    assert "nowhere" in listed(b"--again\nfilm.png \n").err


@pytest.mark.parametrize("content", [b"", b"\n \r\n"])
def test_a_list_without_a_film_is_refused(listed, content):
    assert "@ids.txt: the list names no film" in listed(content).err


@pytest.mark.parametrize("line", ["a.png", "x" * 5000, "a\x0bb"])
def test_a_line_that_is_neither_is_named(listed, line):
    run = listed(f"{ID}\n{line}\n".encode())

    assert run.status == 1
    assert f"{line[:200]}: there is no such file or folder" in run.err


@pytest.mark.parametrize(
    ("content", "said"),
    [(ID.encode("utf-16"), "is text in UTF-16"), (b"\xffilm", "line 1: byte 0xff is not UTF-8")],
)
def test_a_list_in_another_encoding_is_refused_with_what_it_is(listed, content, said):
    run = listed(content)

    assert (run.status, run.err.count("\n")) == (1, 1)
    assert said in run.err


def test_a_list_that_is_not_there_is_named(run_main):
    assert "none.txt cannot be read: No such file" in run_main("ml.predict", "@none.txt").err


class TestMoreThanAThousandFilms:
    def test_are_not_sent_without_a_question(self, listed):
        many = "\n".join(image_id_of(bytes([it % 256, it // 256])) for it in range(1001))

        run = listed(many.encode())

        assert run.status == 1
        assert "1,001 films would be sent to the endpoint. Nothing was done; --yes" in run.err
        assert "nowhere" in listed(many.encode(), "--yes").err

    def test_are_counted_below_a_folder_too(self, run_main, tmp_path):
        for number in range(1001):
            (tmp_path / f"{number}.png").touch()

        run = run_main("ml.predict", ".", *NOWHERE)

        assert ".: 1,001 films would be sent" in run.err

    def test_a_thousand_are_sent_as_they_are_named(self, listed):
        many = "\n".join(image_id_of(bytes([it % 256, it // 256])) for it in range(1000))

        assert "nowhere" in listed(many.encode()).err
