"""What `doc:path` finds is a text, cast beside a number as Spark casts what get_json_object finds.

Spark has no such operator: https://docs.databricks.com/aws/en/sql/language-manual/functions/colonsign.
"""

from __future__ import annotations

import pytest

from tests.plugin.served import Served

DOCUMENTS = """FROM VALUES ('{"a": {"b": "x"}, "n": 3, "p": [[0.7]]}'),
('{"a": {"b": "y"}, "n": 10, "p": [[0.25]]}'), ('{}'), ('{bad') AS t(doc)"""
FOUND = "get_json_object(doc, '$.{}')"


@pytest.mark.parametrize(
    "asked",
    [
        "{p[0][0]} >= 0.5",
        "{p[0][0]} >= 0.5e0",
        "0.5 < {p[0][0]}",
        "{p[0][0]} BETWEEN 0.5 AND 1.5",
        "{a.b} = 'x'",
        "{n} + 1",
        "{n} * 2.5",
        "{n} / 2",
        "-{n}",
        "{n} > 5",
        "{n} = 3",
        "{n} IN (3, 4)",
        "{n} NOT IN ('3', '4')",
        "{n} BETWEEN 1 AND 5",
        "{n}::double",
        "{n}::int + 1",
        "round({p[0][0]}, 1)",
        "sum({n})",
        "avg({p[0][0]})",
        "max({n})",
        "count_if({p[0][0]} >= 0.5)",
        "CASE WHEN {p[0][0]} >= 0.5 THEN 'PNEUMONIA' ELSE 'NORMAL' END",
        "{a.b} = 1",
        "{p[0][0]} > 1",
    ],
)
def test_a_path_is_cast_as_what_get_json_object_finds(shared_workspace: Served, asked: str) -> None:
    path, _, rest = asked.partition("{")[2].partition("}")
    answers = []
    for found in (f"doc:{path}", FOUND.format(path)):
        query = f"SELECT {asked.partition('{')[0]}{found}{rest} {DOCUMENTS}"
        status = (answer := shared_workspace.sql(query))["status"]
        assert "UNSUPPORTED" not in str(status), status
        answers.append((answer.get("result", {}).get("data_array"), status))
    assert answers[0] == answers[1]


def test_texts_are_ordered_as_texts(shared_workspace: Served) -> None:
    query = f"SELECT doc:n {DOCUMENTS} WHERE doc:n IS NOT NULL ORDER BY doc:n"
    assert shared_workspace.rows(query) == [["10"], ["3"]]


def test_films_with_a_high_probability_are_counted(shared_workspace: Served) -> None:
    assert shared_workspace.rows(f"SELECT count(*) {DOCUMENTS} WHERE doc:p[0][0] >= 0.5") == [["1"]]
