"""A sheet of readings: what is read of it, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml.feedback.sheet import InvalidSheet, read

HEAD = "prediction_id,radiologist_id,ground_truth,timestamp,blind"
LINE = "request-1,reader-1,NORMAL,2026-03-02T12:00:00+00:00,true"


def sheet(folder: Path, *lines: str) -> Path:
    file = folder / "readings.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_a_line_is_a_reading(tmp_path: Path) -> None:
    (line,) = read(sheet(tmp_path, f"{HEAD},notes", f'{LINE},"one, ""two"""'))

    assert line.reading is not None
    assert (line.reading.prediction_id, line.reading.notes) == ("request-1", 'one, "two"')


def test_a_line_without_an_id_has_the_same_id_every_time_and_another_when_it_is_changed(
    tmp_path: Path,
) -> None:
    lines = [LINE, LINE.replace("NORMAL", "PNEUMONIA")]
    first = [it.reading for it in read(sheet(tmp_path, HEAD, *lines))]
    again = [it.reading for it in read(sheet(tmp_path, HEAD, *lines))]

    assert first == again
    assert len({it.feedback_id for it in first if it}) == 2


def test_a_bad_line_is_told_with_its_number_and_hides_no_other(tmp_path: Path) -> None:
    bad = LINE.replace("NORMAL", "sick")

    lines = read(sheet(tmp_path, HEAD, LINE, bad, "too,short", LINE))

    assert [it.number for it in lines if it.problem] == [3, 4]
    assert "ground_truth = 'sick': one of NORMAL" in str(lines[1].problem)


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (HEAD.replace("blind", "blinded"), "an unknown column 'blinded'"),
        (HEAD.replace(",blind", ""), "no column blind"),
        (f"{HEAD},blind", "a column twice"),
        ("", "no column prediction_id"),
    ],
)
def test_another_head_is_refused_with_the_columns_that_there_are(
    tmp_path: Path, head: str, problem: str
) -> None:
    with pytest.raises(InvalidSheet, match=problem):
        read(sheet(tmp_path, head, LINE))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "readings.csv"
    file.write_bytes(b"\xff\xfe\x00garbage")

    with pytest.raises(
        InvalidSheet, match=r"readings\.csv is text in UTF-16\. Save it as a CSV file"
    ):
        read(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSheet, match=r"nowhere\.csv cannot be read"):
        read(tmp_path / "nowhere.csv")


def test_a_sheet_of_windows_tools_is_read(tmp_path: Path) -> None:
    file = tmp_path / "readings.csv"
    file.write_text(f"\ufeff{HEAD}\r\n{LINE}\r\n\r\n", encoding="utf-8", newline="")

    (line,) = read(file)

    assert line.problem is None


def test_a_sheet_with_semicolons_is_refused_with_what_it_is(tmp_path: Path) -> None:
    lines = (it.replace(",", ";") for it in (HEAD, LINE))

    with pytest.raises(InvalidSheet, match=r"readings\.csv has its columns apart by ';'\. Save"):
        read(sheet(tmp_path, *lines))
