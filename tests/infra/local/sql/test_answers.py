"""Every question of the corpus is answered as Apache Spark answers it, or refused.

Spark's answers are recorded: `make spark-answers`. By default each topic's questions are asked in
part; `pytest --all` asks every one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.infra.local.sql import questions
from tests.infra.local.sql.comparing import ask, ask_product, open_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.local.sql.engine import Engine

_ASKED_BY_DEFAULT = 8
"""One question in so many; those next to each other are of one kind."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    from infra.local.lake import Lake
    from infra.local.sql.forms import covered

    folder: Path = tmp_path_factory.mktemp("lake")
    lake = Lake(folder, f"sqlite:///{folder}/registry.db")
    try:
        yield open_engine(lake, covered())
    finally:
        lake.close()


def differences(engine: Engine, topic: str, step: int) -> list[str]:
    asked = [(question, ask(engine, question)) for question in list(questions.read(topic))[::step]]
    return [
        f"{question.asked}\n  Spark: {question.types} {question.answer}\n  here: {said}"
        for question, (outcome, said) in asked
        if outcome == "other"
    ]


@pytest.mark.parametrize("topic", questions.topics())
def test_questions_are_answered_as_spark_does_or_refused(engine: Engine, topic: str) -> None:
    assert differences(engine, topic, _ASKED_BY_DEFAULT) == []


@pytest.mark.slow("asks 14,900 questions")
@pytest.mark.parametrize("topic", questions.topics())
def test_all_questions_are_answered_as_spark_does_or_refused(engine: Engine, topic: str) -> None:
    assert differences(engine, topic, 1) == []


def test_the_products_own_statements_are_answered_as_spark_does(engine: Engine) -> None:
    other = [
        f"{question.asked}\n  Spark: {question.types} {question.answer}\n  here: {said}"
        for question, (outcome, said) in ask_product(engine)
        if outcome != "equal"
    ]
    assert other == []


@pytest.mark.parametrize(
    "question",
    [
        # Each was once answered otherwise than by Spark.
        "array_contains(array(1, NULL), 2)",
        "count_if(NULL)",
        "substring('abcd', 0, 2)",
        "sequence(5, 1)",
        "try_cast('1.5' AS INT)",
        "array(1)[9]",
        "CAST(TIMESTAMP'2026-01-02 03:04:05' AS STRING)",
        "to_utc_timestamp(TIMESTAMP'2026-01-02 03:04:05', 'Asia/Seoul')",
    ],
)
def test_what_the_corpus_does_not_cover_is_refused(engine: Engine, question: str) -> None:
    answers = {
        asked.asked: asked for topic in questions.topics() for asked in questions.read(topic)
    }
    recorded = answers.get(question)
    if recorded is not None:
        assert ask(engine, recorded)[0] in ("equal", "refused")
    unknown = questions.Question(f"no_such_function({question})", "int", json.dumps(["1"]))
    assert ask(engine, unknown)[0] == "refused"
