"""What the real provider sends and plans that a more lenient one would leave out or plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.local.terraform.stand_in.planning import Planner
from infra.local.terraform.stand_in.resources import behaviour_of
from infra.local.terraform.stand_in.resources.resource import Data
from infra.local.terraform.stand_in.values import known

if TYPE_CHECKING:
    from collections.abc import Mapping


class Recorder:
    """A workspace that takes everything, and remembers it."""

    host = "http://127.0.0.1:8180"

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    def _answer(self, path: str, body: Any = None) -> Any:
        self.sent.append((path, body))
        return {
            "job_id": 1, "id": "1", "cluster_id": "1", "userName": "me", "state": "RUNNING",
            "creator_name": "creator", "status": {"state": "SUCCEEDED"},
        }  # fmt: skip

    def get(self, path: str, query: Any = None) -> Any:  # noqa: ARG002 - as Rest has it
        return self._answer(path)

    post = put = patch = _answer

    def poll(self, path: str, done: Any, **_: Any) -> Any:
        assert done(self._answer(path))


def planned(type_: str, config: Mapping[str, Any], prior: Any = None) -> dict[str, Any]:
    behaviour = behaviour_of(type_)
    empty = behaviour.block.empty()
    plan = Planner(behaviour.block, behaviour.suppress).plan(prior, empty | config)
    return plan.planned


def created(type_: str, **config: Any) -> list[tuple[str, Any]]:
    behaviour, rest = behaviour_of(type_), Recorder()
    data = Data(state=known(planned(type_, config)), prior={}, is_new=True)
    behaviour.create(rest, data)  # type: ignore[arg-type]
    return [(path, body) for path, body in rest.sent if body is not None]


def filled(type_: str, block: str, **values: Any) -> dict[str, Any]:
    """An element of a block, with null where nothing is said."""
    element = behaviour_of(type_).block
    for name in block.split("."):
        element = element.blocks[name].block
    return element.empty() | values


def test_a_job_without_a_queue_says_so() -> None:
    ((_, body),) = created("databricks_job", name="j")

    assert body["queue"] == {"enabled": False}


def test_a_job_cluster_of_one_node_says_that_it_has_no_workers() -> None:
    new = filled("databricks_job", "job_cluster.new_cluster", spark_version="15.4.x-scala2.12")
    cluster = filled("databricks_job", "job_cluster", job_cluster_key="k", new_cluster=[new])

    ((_, body),) = created("databricks_job", name="j", job_cluster=[cluster])

    assert body["job_clusters"][0]["new_cluster"]["num_workers"] == 0


@pytest.mark.parametrize("value", [True, False])
def test_a_warehouses_switches_are_sent_in_both_positions(value: bool) -> None:
    ((_, body),) = created(
        "databricks_sql_endpoint", name="w", cluster_size="Small", max_num_clusters=1,
        enable_photon=value, enable_serverless_compute=value,
    )  # fmt: skip

    assert body["enable_photon"] is value
    assert body["enable_serverless_compute"] is value


@pytest.mark.parametrize(
    ("keys", "clause"), [(["AUTO"], "CLUSTER BY AUTO"), (["a", "AUTO"], "CLUSTER BY (`a`,`AUTO`)")]
)
def test_automatic_clustering_is_no_column(keys: list[str], clause: str) -> None:
    ((_, body),) = created(
        "databricks_sql_table", catalog_name="c", schema_name="s", name="t", table_type="MANAGED",
        warehouse_id="1", cluster_keys=keys,
    )  # fmt: skip

    assert body["statement"] == f"CREATE OR REPLACE TABLE `c`.`s`.`t`\n{clause};"


@pytest.mark.parametrize(
    ("setting", "own"),
    [
        ("dashboard_id", []),
        ("sql_endpoint_id", ["CAN_MANAGE", "IS_OWNER"]),
        ("job_id", ["IS_OWNER"]),
        ("serving_endpoint_id", ["CAN_MANAGE"]),
    ],
)
def test_the_caller_is_given_what_each_kind_of_object_needs(setting: str, own: list[str]) -> None:
    entry = filled(
        "databricks_permissions", "access_control",
        group_name="analysts", permission_level="CAN_VIEW",
    )  # fmt: skip

    ((_, body),) = created("databricks_permissions", **{setting: "1", "access_control": [entry]})

    callers = [it for it in body["access_control_list"] if it.get("user_name") == "me"]
    assert [it["permission_level"] for it in callers] == own


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("databricks_catalog", "force_destroy"),
        ("databricks_schema", "force_destroy"),
        ("databricks_sql_endpoint", "no_wait"),
        ("databricks_cluster", "no_wait"),
        ("databricks_cluster", "is_pinned"),
    ],
)
@pytest.mark.parametrize("configured", [None, False, True])
def test_after_an_import_a_default_of_false_is_no_change(
    type_: str, name: str, configured: bool | None
) -> None:
    imported = behaviour_of(type_).block.empty()

    after = planned(type_, {name: configured}, prior=imported)

    assert bool(after[name]) is bool(configured)
    assert (after[name] != imported[name]) is bool(configured)


CAPTURE = {"catalog_name": "c", "schema_name": "s", "table_name_prefix": "p", "enabled": True}


@pytest.mark.parametrize(
    ("before", "after", "replaced"),
    [([CAPTURE], [], True), ([], [CAPTURE], True), ([CAPTURE], [CAPTURE], False), ([], [], False)],
    ids=["gone", "new", "same", "none"],
)
def test_an_auto_capture_that_comes_or_goes_is_another_endpoint(
    before: list[Any], after: list[Any], replaced: bool
) -> None:
    behaviour = behaviour_of("databricks_model_serving")

    def endpoint(captures: list[Any]) -> dict[str, Any]:
        config = filled("databricks_model_serving", "config", auto_capture_config=captures)
        return behaviour.block.empty() | {"name": "e", "config": [config]}

    planner = Planner(behaviour.block, behaviour.suppress)
    plan = planner.plan(endpoint(before), endpoint(after))

    assert bool(plan.requires_replace) is replaced
    assert planner.plan(None, endpoint(after)).requires_replace == []
