"""Views of tasks whose models answer in other forms than pneumonia does, on the local workspace."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from ml.contract.task import Task
from tests.plugin.ab_test import CHAMPION, new_bed

if TYPE_CHECKING:
    from tests.plugin.served import Served


@pytest.mark.parametrize(
    ("path", "values", "answer"),
    [
        ((), 1, lambda p: p),
        ((1,), 2, lambda p: [1 - p, p]),
        (("p",), 1, lambda p: {"p": p, "label": "x"}),
        (("scores", 1), 2, lambda p: {"scores": [1 - p, p]}),
    ],
    ids=["the number", "of two", "a field", "within a field"],
)
def test_the_probability_is_read_where_the_task_says(
    shared_workspace: Served, path: Any, values: int, answer: Any
) -> None:
    bed = new_bed(shared_workspace)
    task = Task(
        name="t",
        labels=("benign", "malignant"),
        threshold=0.25,
        input=bed.analysis.task.input,
        probability=path,
        values=values,
    )
    bed.analysis = dataclasses.replace(bed.analysis, task=task)
    for p in (0.25, 0.125):
        bed.answer(CHAMPION, response=json.dumps({"predictions": [answer(p)]}))
    bed.answer(CHAMPION, status=400, response=None)
    bed.create_views()

    found = [(it["probability"], it["predicted_label"]) for it in bed.read("predictions", "1")]

    assert found == [(0.25, "malignant"), (0.125, "benign")]
