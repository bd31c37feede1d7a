"""A statement takes so much memory and time, and no more: it fails and the server lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.served import Served


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM (SELECT explode(sequence(1, 1000000000)))",
        "SELECT sequence(1, 1000000) FROM (SELECT explode(sequence(1, 2048)))",
        "SELECT length(concat_ws(',', collect_list(repeat('x', 1000)))) "
        "FROM (SELECT explode(sequence(1, 1000000)) AS a) "
        "CROSS JOIN (SELECT explode(sequence(1, 10)) AS b)",
    ],
)
def test_a_statement_that_takes_all_memory_fails_alone(
    shared_workspace: Served, statement: str
) -> None:
    message = shared_workspace.error(statement, wait_timeout="50s")
    assert message.startswith(
        ("[OUT_OF_MEMORY]", "[COLLECTION_SIZE_LIMIT_EXCEEDED]", "[UNSUPPORTED_FEATURE]")
    )
    assert shared_workspace.rows("SELECT 1") == [["1"]]


def test_a_statement_that_takes_too_long_fails(
    shared_workspace: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_workspace.lake.engine, "seconds", 0.2)
    message = shared_workspace.error(
        "SELECT count(*) FROM (SELECT explode(sequence(1, 600000)) AS a) "
        "CROSS JOIN (SELECT explode(sequence(1, 600000)) AS b) WHERE a * b = 7",
        wait_timeout="50s",
    )
    assert message.startswith("[QUERY_EXECUTION_TIMEOUT_EXCEEDED]")
    monkeypatch.undo()
    assert shared_workspace.rows("SELECT 1") == [["1"]]


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT {'(' * 10_000}1{')' * 10_000}",
        f"SELECT {'NOT ' * 10_000}true",
        f"SELECT {'1 + ' * 3_000}1",
        f"SELECT {'array(' * 2_000}1{')' * 2_000}",
        f"SELECT CAST(NULL AS {'ARRAY<' * 2_000}INT{'>' * 2_000})",
        f"SELECT * FROM {'(SELECT * FROM ' * 1_000}base.s.t{')' * 1_000}",
        f"SELECT 1 IN ({'1, ' * 200_000}1)",
    ],
    ids=lambda statement: statement[7:22],
)
def test_a_statement_too_long_or_too_deep_is_refused_at_once(
    shared_workspace: Served, statement: str
) -> None:
    message = shared_workspace.error(statement, wait_timeout="50s")
    assert message.startswith("[FAILED_TO_PARSE_TOO_COMPLEX]")


def test_a_long_text_is_one_word(shared_workspace: Served) -> None:
    text = "it''s a word, " * 50_000
    rows = shared_workspace.rows(f"SELECT length('{text}') AS n", wait_timeout="50s")
    assert rows == [["650000"]]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT CAST('x' AS INT) AS a", "[CAST_INVALID_INPUT]"),
        ("SELECT missing FROM base.s.typed_rows", "[TABLE_OR_VIEW_NOT_FOUND]"),
        ("SELECT missing FROM VALUES (1) AS t(a)", "[UNRESOLVED_COLUMN.WITH_SUGGESTION]"),
    ],
)
def test_a_failing_create_table_as_says_its_own_reason(
    shared_workspace: Served, query: str, reason: str
) -> None:
    message = shared_workspace.error(f"CREATE TABLE base.s.never AS {query}")
    assert message.startswith(reason)
    assert "never" not in message
