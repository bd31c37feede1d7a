"""Lists and sheets as people's tools write them."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from ml.data.text_file import NotText, lines_in, sheet_in

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("film", "truth")
PLAIN = "film,truth\na.png,NORMAL\nb.png,PNEUMONIA\n"


def a_workbook() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as workbook:
        workbook.writestr("xl/workbook.xml", "<workbook/>")
    return content.getvalue()


@pytest.fixture
def file(tmp_path: Path):
    """A file with this content."""

    def write(content: bytes) -> Path:
        there = tmp_path / "sheet.csv"
        there.write_bytes(content)
        return there

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_and_the_line_ends_of_windows_are_read(file, encoding, end):
    content = PLAIN.replace("\n", end).encode(encoding)

    assert list(sheet_in(file(content), COLUMNS)) == [
        {"film": "a.png", "truth": "NORMAL"},
        {"film": "b.png", "truth": "PNEUMONIA"},
    ]
    assert lines_in(file(content)) == PLAIN.splitlines()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (PLAIN.encode("utf-16"), "text in UTF-16"),
        (PLAIN.encode("utf-16-le"), "text in UTF-16 without its mark"),
        (PLAIN.encode("utf-16-be"), "text in UTF-16 without its mark"),
        (PLAIN.encode("utf-32"), "text in UTF-32"),
        (a_workbook(), "an Excel workbook"),
        (PLAIN.replace("a.png", "é.png").encode("cp1252"), "line 2: byte 0xe9 is not UTF-8"),
    ],
)
def test_what_is_no_text_in_utf_8_is_refused_in_one_line_that_says_what_it_is(file, content, what):
    for read in (lines_in, lambda it: sheet_in(it, COLUMNS)):
        with pytest.raises(NotText) as refusal:
            read(file(content))
        assert what in str(refusal.value)
        assert "sheet.csv" in str(refusal.value)
        assert "Save it as" in str(refusal.value)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "separator"),
    [
        (PLAIN.replace(",", ";"), "';'"),
        (PLAIN.replace(",", "\t"), "tabs"),
        ("sep=;\n" + PLAIN.replace(",", ";"), "';'"),
        ('"film";"truth"\n', "';'"),
    ],
)
def test_another_separator_is_refused_by_its_name(file, content, separator):
    with pytest.raises(NotText, match=f"has its columns apart by {separator}. Save it as CSV"):
        sheet_in(file(content.encode()), COLUMNS)


def test_a_semicolon_within_a_value_is_no_separator(file):
    content = b'film,truth\n"a;b.png",NORMAL\n'

    assert [row["film"] for row in sheet_in(file(content), COLUMNS)] == ["a;b.png"]


def test_a_file_that_is_not_there_is_named_with_the_reason(tmp_path):
    with pytest.raises(NotText, match=r"none\.csv cannot be read: No such file or directory"):
        lines_in(tmp_path / "none.csv")
