"""A fault at each call: no raw plugin error, nothing lost, and the next apply puts it right."""

from __future__ import annotations

import threading
from typing import Any

import pytest

EP = "/api/2.0/serving-endpoints"
CREATION = (
    f"POST {EP}",
    f"GET {EP}/ep",
    "GET /api/2.0/preview/scim/v2/Me",
    "PUT /api/2.0/permissions/",
    "GET /api/2.0/permissions/",
)
UPDATE = (f"PUT {EP}/ep/config", f"PATCH {EP}/ep/tags", f"PUT {EP}/ep/ai-gateway")
FAULTS = {
    "409": (409, {"error_code": "RESOURCE_CONFLICT", "message": "another update is in progress"}),
    "500": (500, {"error_code": "INTERNAL_ERROR", "message": "something broke"}),
    "html": (502, "<html>"),
    "429": (429, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}),
    "503": (503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "later"}),
    "dropped": (0, None),
}
RETRIED = {"429", "503"}


def is_retried(call: str, fault: str) -> bool:
    """A write that has lost its answer is not: it may have been carried out."""
    return fault in RETRIED or (fault == "dropped" and call.startswith("GET"))


def stack(champion: int, owner: str, *, tracks: bool) -> dict[str, Any]:
    settings = {"entity_version": "1", "workload_size": "Small", "scale_to_zero_enabled": True}
    entities = [
        settings | {"name": name, "entity_name": "c.s.m"} for name in ("champion", "challenger")
    ]
    routes = [
        {"served_model_name": "champion", "traffic_percentage": champion},
        {"served_model_name": "challenger", "traffic_percentage": 100 - champion},
    ]
    return {
        "databricks_model_serving": {
            "this": {
                "name": "ep",
                "config": [{"served_entities": entities, "traffic_config": [{"routes": routes}]}],
                "tags": [{"key": "owner", "value": owner}],
                "ai_gateway": [{"usage_tracking_config": [{"enabled": tracks}]}],
            }
        },
        "databricks_permissions": {
            "this": {
                "serving_endpoint_id": "${databricks_model_serving.this.serving_endpoint_id}",
                "access_control": [{"group_name": "analysts", "permission_level": "CAN_QUERY"}],
            }
        },
    }


FIRST = stack(90, "a", tracks=True)
SECOND = stack(50, "b", tracks=False)


class Faulty:
    """A workspace that answers the first request that begins with `call` with a fault."""

    def __init__(self, workspace: Any) -> None:
        self.workspace = workspace
        self.call: str | None = None
        self.fault: Any = None
        self.loses_the_answer = False

    def __call__(self, request: Any) -> Any:
        if self.call is None or not request.call.startswith(self.call):
            return self.workspace(request)
        self.call = None
        if self.loses_the_answer:
            self.workspace(request)
        return self.fault


@pytest.fixture
def faulty(workspace: Any, server: Any) -> Faulty:
    faulty = Faulty(workspace)
    server.answer = faulty
    return faulty


@pytest.mark.parametrize(
    ("call", "fault"),
    [(call, fault) for call in CREATION + UPDATE for fault in ("409", "500", "429", "dropped")]
    + [(CREATION[0], "503"), (UPDATE[0], "html")],
)
def test_the_next_apply_puts_a_fault_right(
    call: str, fault: str, deployed: Any, faulty: Any, workspace: Any
) -> None:
    wanted = FIRST
    if call in UPDATE:
        deployed.write(**FIRST)
        deployed.apply()
        wanted = SECOND
    deployed.write(**wanted)
    faulty.call, faulty.fault = call, FAULTS[fault]

    output = deployed.apply(check=False)
    assert faulty.call is None, "the call was made"
    assert "Plugin error" not in output
    assert "fault of the stand-in" not in output
    if is_retried(call, fault):
        assert "Apply complete!" in output
    else:
        status, body = FAULTS[fault]
        plain = " ".join(output.split())
        assert (f"HTTP {status}" if status else "no answer, EOF") in plain
        assert call in plain
        if isinstance(body, dict):
            assert f"{body['error_code']}: {body['message']}" in plain
        deployed.apply()
    assert deployed.plan() == ""
    assert workspace.endpoint("ep")["tags"][0]["value"] == ("b" if call in UPDATE else "a")


def test_a_lost_answer_to_the_creation_is_told_and_the_endpoint_can_be_adopted(
    deployed: Any, faulty: Any, workspace: Any
) -> None:
    """The POST is not sent again; the next apply is told that the endpoint exists."""
    deployed.write(**FIRST)
    faulty.call, faulty.fault, faulty.loses_the_answer = f"POST {EP}", FAULTS["dropped"], True

    assert "may have done it all the same" in " ".join(deployed.apply(check=False).split())
    assert "adopt = true" in deployed.apply(check=False)
    assert workspace.endpoint("ep"), "not lost"
    deployed.import_("databricks_model_serving.this", "ep")
    deployed.apply()
    assert deployed.plan() == ""


@pytest.mark.parametrize("call", UPDATE)
def test_a_lost_answer_to_an_update_is_put_right_by_the_next_apply(
    call: str, deployed: Any, faulty: Any
) -> None:
    deployed.write(**FIRST)
    deployed.apply()
    deployed.write(**SECOND)
    faulty.call, faulty.fault, faulty.loses_the_answer = call, FAULTS["dropped"], True

    assert "no answer, EOF" in " ".join(deployed.apply(check=False).split())
    deployed.apply()
    assert deployed.plan() == ""


@pytest.mark.parametrize("fault", ["409", "500", "429"])
def test_a_fault_while_destroying_leaves_the_rest_for_the_next_time(
    fault: str, deployed: Any, faulty: Any, workspace: Any
) -> None:
    deployed.write(**FIRST)
    deployed.apply()
    faulty.call, faulty.fault = f"DELETE {EP}/ep", FAULTS[fault]

    output = deployed.destroy(check=False)
    assert ("Destroy complete!" in output) == (fault in RETRIED)
    deployed.destroy()
    assert workspace.is_as_given


def test_retries_end_and_say_what_the_server_said(deployed: Any, server: Any) -> None:
    # Attempt 2 comes after at most 1.75 s, attempt 3 would come after at least 3.1 s.
    deployed.provider["retry_timeout_seconds"] = 3
    server.answer = lambda _: FAULTS["429"]
    deployed.write(**FIRST)

    assert "REQUEST_LIMIT_EXCEEDED: slow down" in deployed.apply(check=False)
    assert len(server.take()) == 2


def test_a_slow_answer_is_waited_for(deployed: Any, workspace: Any, server: Any) -> None:
    import time

    def slow(request: Any) -> Any:
        if request.method == "POST":
            time.sleep(2)
        return workspace(request)

    server.answer = slow
    deployed.write(**FIRST)
    deployed.apply()
    assert deployed.plan() == ""


def test_no_answer_in_time_is_a_fault_like_any_other(deployed: Any, server: Any) -> None:
    deployed.provider |= {"http_timeout_seconds": 1, "retry_timeout_seconds": 1}
    given_up = threading.Event()
    server.answer = lambda _: (given_up.wait(), (200, {}))[1]
    deployed.write(**FIRST)

    output = " ".join(deployed.apply(check=False).split())
    given_up.set()
    assert "request timed out after 1 s of inactivity" in output
    assert "POST /api/2.0/serving-endpoints" in output


def test_a_workspace_that_is_not_there_is_named(deployed: Any, server: Any) -> None:
    server.close()
    deployed.provider["retry_timeout_seconds"] = 1
    deployed.write(**FIRST)

    output = " ".join(deployed.apply(check=False).split())
    assert "Connection refused" in output
    assert "start the workspace (make workspace)" in output
