"""The brake where the workspace does half of what it is asked."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from databricks.sdk.errors import PermissionDenied

from infra.declared.environment import load
from infra.rollout import brake
from infra.rollout.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENDPOINT = {
    "name": "ab",
    "state": {"ready": "READY", "config_update": "NOT_UPDATING"},
    "config": {
        "served_entities": [
            {"name": "keras-1", "entity_name": "c.m.keras", "entity_version": "1"},
            {"name": "torch-2", "entity_name": "c.m.torch", "entity_version": "2"},
        ],
        "traffic_config": {
            "routes": [
                {"served_model_name": "keras-1", "traffic_percentage": 80},
                {"served_model_name": "torch-2", "traffic_percentage": 20},
            ]
        },
    },
}


def test_where_the_endpoint_can_not_be_marked_the_traffic_has_moved_and_it_says_so(
    environment: Callable[..., Path],
) -> None:
    put: list[Any] = []

    def do(method: str, path: str, **given: Any) -> Any:
        if method == "PATCH":
            raise PermissionDenied("you may not tag")
        if method == "PUT":
            put.append(given["body"])
        return ENDPOINT

    client: Any = SimpleNamespace(api_client=SimpleNamespace(do=do))

    done = brake.stop(
        client,
        load(environment(20)),
        "torch-2",
        who="somebody",
        why="slow",
        now=datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC),
    )

    (body,) = put
    assert {
        it["served_entity_name"]: it["traffic_percentage"]
        for it in body["traffic_config"]["routes"]
    } == {"keras-1": 100, "torch-2": 0}
    assert (done.had, done.champion_has) == (20, 100)
    assert "you may not tag" in done.untold


def test_an_arm_that_is_served_no_more_is_said(environment: Callable[..., Path]) -> None:
    client: Any = SimpleNamespace(api_client=SimpleNamespace(do=lambda *_: ENDPOINT))

    with pytest.raises(Refused, match="ab serves torch-1 no more"):
        brake.stop(
            client,
            load(environment(20)),
            "torch-1",
            who="somebody",
            why="slow",
            now=datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC),
        )
