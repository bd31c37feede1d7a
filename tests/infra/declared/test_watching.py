"""What is watched, over real rows: the views, the alerts, and what a file may say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.declared.environment import Environment, InvalidEnvironment, load
from infra.declared.monitoring import Destination, Limits, Monitoring
from infra.declared.watching import WATCHED, Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def watched() -> Environment:
    return load("local").model_copy(update={"monitoring": Monitoring()})


def watch_of(environment: Environment, **limits: Any) -> Watch:
    monitoring = Monitoring(limits=Limits(**limits))
    watch = Watch.of(environment.model_copy(update={"monitoring": monitoring}))
    assert watch
    return watch


def test_nothing_is_watched_without_a_table_of_it() -> None:
    assert Watch.of(load("local")) is None


def test_each_limit_is_an_alert_and_false_is_none(watched: Environment) -> None:
    names = {it.name for it in watch_of(watched, positive_share=0.4, drift=False).alerts}

    assert names == set(Limits.model_fields) - {"drift"}


def test_a_statement_names_nothing_that_is_not_there(watched: Environment) -> None:
    watch = watch_of(watched)

    for text in (*map(watch.query, [it.name for it in WATCHED]), *(a.query for a in watch.alerts)):
        assert "$" not in text


def test_no_minute_after_a_change_need_be_muted(watched: Environment) -> None:
    monitoring = Monitoring.model_validate({"muted_minutes": 0})
    watch = Watch.of(watched.model_copy(update={"monitoring": monitoring}))

    assert watch
    assert "INTERVAL '0' MINUTE" in watch.query("health")


def test_the_declared_split_is_that_of_the_file(watched: Environment) -> None:
    health = watch_of(watched).query("health")

    assert "'pneumonia_poc_classifier-1' AS arm, 0.50D AS share" in health
    assert "'pneumonia_poc_classifier_pytorch-1' AS arm, 0.50D AS share" in health


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("every_minutes = 0", "every_minutes"),
        ("window_minutes = 2000", "window_minutes"),
        ("notify = [{ user = 'a@b.example', id = 'x' }]", "exactly one of user, id, webhook"),
        ("notify = [{ webhook = 'http://elsewhere.example/x' }]", "https"),
        ("[monitoring.limits]\nerror_rate = 5", "error_rate"),
        ("[monitoring.limits]\nerrors = 0.1", "errors"),
        ("[monitoring.limits]\nrollback = 0", "rollback"),
    ],
)
def test_what_can_not_be_is_refused_by_its_key(
    written: str, named: str, write: Callable[..., Path]
) -> None:
    file = write(add=f"[monitoring]\n{written}")

    with pytest.raises(InvalidEnvironment, match=named):
        load(file)


def test_a_webhook_of_this_machine_may_be_plain() -> None:
    assert Destination(webhook="http://127.0.0.1:9000/alerts").webhook
