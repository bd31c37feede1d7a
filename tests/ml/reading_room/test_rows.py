"""The room of a test whose models take named columns: a row is shown, in the words of its task."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from ml.contract.task import NUMBER, TEXT, TableInput, Task, Words
from ml.reading_room.films import NoPicture
from ml.reading_room.identity import WorkspaceIdentity
from ml.reading_room.rows import Rows
from ml.reading_room.sampler import Drawn
from ml.reading_room.server import application
from ml.workspace.warehouse import Warehouse
from tests.plugin.ab_test import CHAMPION, new_bed

if TYPE_CHECKING:
    from tests.plugin.ab_test import ABTestBed
    from tests.plugin.served import Served

TASK = Task(
    name="t",
    labels=("benign", "malignant"),
    threshold=0.25,
    input=TableInput(columns={"age": NUMBER, "ward": TEXT}),
    words=Words(case=("sample", "samples"), subject=("woman", "women")),
)


@pytest.fixture
def bed(shared_workspace: Served) -> ABTestBed:
    found = new_bed(shared_workspace)
    found.analysis = dataclasses.replace(found.analysis, task=TASK)
    return found


@pytest.fixture
def rows(bed: ABTestBed) -> Rows:
    sent = {"dataframe_records": [{"ward": "<b>3", "age": 61.5, "secret": 1}]}
    bed.answer(CHAMPION, 0.75, id="asked", request=json.dumps(sent))
    bed.answer(CHAMPION, 0.75, id="again", request=json.dumps(sent))
    bed.answer(CHAMPION, 0.75, id="too large")
    bed.create_views()
    assert isinstance(TASK.input, TableInput)
    warehouse = Warehouse(bed.workspace.sdk(), bed.workspace.warehouse_id)
    return Rows(warehouse, bed.analysis, columns=TASK.input)


def test_a_reader_sees_the_tasks_columns_of_what_was_sent(rows: Rows) -> None:
    shown = rows.picture([Drawn(prediction_id="asked", sampling_probability=1.0)])

    assert json.loads(shown) == {"columns": [["age", 61.5], ["ward", "<b>3"]]}


def test_predictions_on_the_same_row_are_one_case(rows: Rows) -> None:
    names = rows.names(["asked", "again", "too large"])

    assert names["asked"] == names["again"] != names["too large"] == "too large"


def test_a_row_that_was_not_logged_cannot_be_shown(rows: Rows) -> None:
    with pytest.raises(NoPicture):
        rows.picture([Drawn(prediction_id="too large", sampling_probability=1.0)])


def test_the_page_asks_in_the_words_of_the_task() -> None:
    asked = application(None, WorkspaceIdentity(name="ada"), TASK, behind_proxy=True)  # type: ignore[arg-type]

    async def page_of() -> str:
        transport = httpx.ASGITransport(app=asked)
        async with httpx.AsyncClient(transport=transport, base_url="http://room") as client:
            return (await client.get("/")).text

    page = asyncio.run(page_of())

    assert '<table id="film"' in page
    assert "<canvas" not in page
    assert "What the sample shows" in page
    for verdict in TASK.verdicts:
        assert f'value="{verdict}"' in page
    assert 'data-threshold="0.25" data-positive="malignant"' in page
    assert not any(word in page for word in ("PNEUMONIA", "NORMAL", "patients"))
