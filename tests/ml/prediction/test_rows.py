"""Rows of files, and what is sent of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml.contract.errors import InvalidData, UserError
from ml.contract.task import NUMBER, TEXT, TableInput
from ml.prediction.asking import OfRows
from ml.prediction.rows import rows_in

INPUT = TableInput(columns={"age": NUMBER, "ward": TEXT}, id="sample")
ASKING = OfRows(input=INPUT)


def written(folder: Path, text: str) -> Path:
    file = folder / "rows.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_label_beside_the_columns_stays_where_it_is(tmp_path: Path) -> None:
    (row,) = rows_in(written(tmp_path, "label,ward,sample,age\nsick,3b,s1,61\n"), INPUT)

    sent = json.loads(ASKING.document(ASKING.prepared(row.read()), "id"))

    assert row.name == "s1"
    assert sent == {"dataframe_records": [{"age": 61.0, "ward": "3b"}], "client_request_id": "id"}


def test_an_empty_cell_is_sent_as_not_known(tmp_path: Path) -> None:
    (row,) = rows_in(written(tmp_path, "sample,age,ward\ns1,,\n"), INPUT)

    assert ASKING.prepared(row.read()) == {"age": None, "ward": None}


def test_parquet_gives_the_same_rows(tmp_path: Path) -> None:
    import duckdb

    file = tmp_path / "rows [1].parquet"
    duckdb.sql("SELECT 's1' AS sample, 61 AS age, '3b' AS ward").write_parquet(str(file))
    (row,) = rows_in(file, INPUT)

    (same,) = rows_in(written(tmp_path, "sample,age,ward\ns1,61,3b\n"), INPUT)
    assert row.read() == same.read()


def test_without_an_id_a_row_is_named_by_file_and_place(tmp_path: Path) -> None:
    columns = TableInput(columns={"age": NUMBER})

    names = [it.name for it in rows_in(written(tmp_path, "age\n1\n2\n"), columns)]

    assert names == ["rows.csv:1", "rows.csv:2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sample,age\ns1,1\n", "no column ward; it has sample, age"),
        ("sample,age,ward\ns1,old,3b\n", "row 1: age = 'old' is no number"),
        ("sample,age,ward\ns1,inf,3b\n", "row 1: age = 'inf' is no number"),
        ("sample,age,ward\ns1,1,a\ns1,2,b\n", "row 2: sample = 's1' is empty, or that of row 1"),
        ("sample,age,ward\n,1,a\n", "row 1: sample = '' is empty"),
        ("sample,age,ward\n", "there is no row"),
        ("sample;age;ward\ns1;1;a\n", "apart by ';'"),
    ],
)
def test_a_mistake_is_said_with_file_row_and_value(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=r"rows\.csv") as refused:
        rows_in(written(tmp_path, text), INPUT)

    assert said in str(refused.value)


def test_a_program_gives_the_tasks_columns_and_no_other() -> None:
    with pytest.raises(InvalidData, match="no column 'ward'"):
        ASKING.content({"age": 1})
    with pytest.raises(InvalidData, match="an unknown column 'label'"):
        ASKING.content({"age": 1, "ward": "a", "label": "sick"})
