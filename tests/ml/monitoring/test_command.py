"""`python -m ml.monitor` over a registry and a workspace: what it copies, measures and says."""

from __future__ import annotations

import datetime
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml.contract.tables import INPUT_MEASURES, REFERENCE_DISTRIBUTIONS, SHADOW_MARK, VERDICTS
from ml.monitoring import reference
from tests.plugin.ab_test import _NOON, CHAMPION
from tests.plugin.models import registry_uri

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.ab_test import ABTestBed
    from tests.plugin.commands import Call, Run

pytestmark = pytest.mark.programs


@pytest.fixture
def registry(ab_test: ABTestBed, empty_registry: Path, tmp_path: Path) -> str:
    """Keras' version 1 carries a reference; torch' two versions carry none."""
    import mlflow

    shutil.copy(empty_registry, tmp_path)
    uri = registry_uri(tmp_path)
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    for model, versions in (("keras", 1), ("torch", 2)):
        name = f"{ab_test.analysis.catalog}.models.{model}"
        (folder := tmp_path / model).mkdir()
        client.create_registered_model(name)
        for _ in range(versions):
            client.create_model_version(name, str(folder))
    reference.write(tmp_path / "keras", {"probability": np.linspace(0, 1, 101)})
    return uri


@pytest.fixture
def monitor(run_main: Call, watched: Path, registry: str) -> Callable[..., Run]:
    return lambda *arguments: run_main(
        "ml.monitor", "--environment", watched, "--registry", registry, *arguments
    )


def ask(ab_test: ABTestBed, request: object, **known: Any) -> str:
    minutes = (datetime.datetime.now(datetime.UTC) - _NOON).total_seconds() / 60 - 5
    return ab_test.answer(
        CHAMPION, 0.9, **{"minutes": minutes, "request": json.dumps(request)} | known
    )


def measured(ab_test: ABTestBed) -> dict[tuple[str, int, str], float]:
    table = INPUT_MEASURES.full_name(ab_test.analysis.catalog)
    return {
        (it["databricks_request_id"], it["image_index"], it["measure"]): it["value"]
        for it in ab_test.query(f"SELECT * FROM {table}")
    }


def test_it_copies_references_and_says_which_version_has_none(
    ab_test: ABTestBed, monitor: Callable[..., Run]
) -> None:
    ask(ab_test, {"inputs": []})

    first, again = monitor(), monitor()

    assert first.status == 0, first.err
    assert "keras version 1: reference of probability" in first.out
    assert "torch version 2 carries no reference" in first.out
    assert "keras version 1" not in again.out  # it is known
    table = REFERENCE_DISTRIBUTIONS.full_name(ab_test.analysis.catalog)
    rows = ab_test.query(f"SELECT * FROM {table}")
    assert {it["model_name"].rpartition(".")[2] for it in rows} == {"keras"}
    assert len(rows) == 10


def test_it_measures_films_and_rows_once(ab_test: ABTestBed, monitor: Callable[..., Run]) -> None:
    film = [[[0.0], [1.0]], [[1.0], [1.0]]]
    of_films = ask(ab_test, {"inputs": [film, film]})
    of_rows = ask(ab_test, {"dataframe_split": {"columns": ["age", "sex"], "data": [[70, "F"]]}})

    runs = [monitor(), monitor()]

    assert [it.status for it in runs] == [0, 0]
    assert "ab-test: 3 inputs measured" in runs[0].out
    assert "ab-test: 0 inputs measured" in runs[1].out
    found = measured(ab_test)
    assert found[of_films, 0, "mean"] == found[of_films, 1, "mean"] == 0.75
    assert found[of_films, 0, "dark"] == 0.25
    assert found[of_rows, 0, "age"] == 70
    assert (of_rows, 0, "sex") not in found


def test_what_is_old_failed_or_asked_to_compare_arms_is_not_measured(
    ab_test: ABTestBed, monitor: Callable[..., Run]
) -> None:
    film = {"inputs": [[[[0.0]]]]}
    ask(ab_test, film, minutes=0)
    ask(ab_test, film, status=500, response=None)
    ask(ab_test, film, id=f"{SHADOW_MARK}request-1")
    ask(ab_test, film, id="replay-film")

    assert "ab-test: 0 inputs measured" in monitor().out


def test_the_newest_come_first_where_there_are_too_many(
    ab_test: ABTestBed, monitor: Callable[..., Run]
) -> None:
    film = {"inputs": [[[[0.0]]]]}
    older = (datetime.datetime.now(datetime.UTC) - _NOON).total_seconds() / 60 - 60
    ask(ab_test, film, minutes=older)
    newest = ask(ab_test, film)

    assert monitor("--most", 1).status == 0

    assert {request for request, _, _ in measured(ab_test)} == {newest}


def test_it_needs_to_see_no_table_but_its_own(
    ab_test: ABTestBed, monitor: Callable[..., Run]
) -> None:
    """Trainers, as whom its job runs, are granted no verdicts."""
    ask(ab_test, {"inputs": []})
    ab_test.workspace.rows(f"DROP TABLE {VERDICTS.full_name(ab_test.analysis.catalog)}")

    assert monitor().status == 0


def test_without_its_tables_it_says_what_has_to_be_deployed(
    ab_test: ABTestBed, monitor: Callable[..., Run]
) -> None:
    ab_test.workspace.rows(f"DROP TABLE {INPUT_MEASURES.full_name(ab_test.analysis.catalog)}")

    done = monitor()

    assert done.status == 1
    said = done.err.splitlines()[-1]
    assert "there is no table" in said
    assert "deploy platform-clinic" in said
