"""Each resource from creation to destruction, through real Terraform, with no diff in between.

The real provider is of the legacy kind, whose inconsistent answers Terraform tolerates, and so is
the stand-in. What it tolerates is in its log, and must be what that kind cannot help.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

Settings = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Life:
    first: Settings
    then: Settings = dataclasses.field(default_factory=dict)
    """What changes; {} for a resource that cannot change."""
    import_id: str | None = None
    """`{id}` stands for the id in the state. None: not importable by id alone."""
    import_loses: frozenset[str] = frozenset()
    """Settings that no server can give back, so that the plan after an import wants them again."""


def endpoint(**settings: Any) -> Settings:
    return {
        "name": "ep",
        "config": [
            {
                "served_entities": [
                    {
                        "name": "champion",
                        "entity_name": "c.s.m",
                        "entity_version": "1",
                        "workload_size": "Small",
                        "scale_to_zero_enabled": True,
                    }
                ],
                "traffic_config": [
                    {"routes": [{"served_model_name": "champion", "traffic_percentage": 100}]}
                ],
            }
        ],
    } | settings


COLUMNS = [
    {"name": "id", "type": "bigint", "nullable": False, "comment": "key"},
    {"name": "amt", "type": "double"},
]
LIVES = {
    "databricks_model_serving": Life(
        first=endpoint(tags=[{"key": "team", "value": "ml"}]),
        then={
            "tags": [{"key": "team", "value": "ds"}],
            "ai_gateway": [{"usage_tracking_config": [{"enabled": True}]}],
        },
        import_id="ep",
    ),
    "databricks_permissions": Life(
        first={
            "job_id": "{job}",
            "access_control": [{"group_name": "analysts", "permission_level": "CAN_VIEW"}],
        },
        then={
            "access_control": [
                {"group_name": "engineers", "permission_level": "CAN_MANAGE"},
                {"user_name": "you@example.com", "permission_level": "CAN_VIEW"},
            ]
        },
        import_id="/jobs/{job}",
    ),
    "databricks_catalog": Life(
        first={"name": "d", "comment": "one"},
        then={"comment": "two", "properties": {"k": "v"}},
        import_id="d",
        import_loses=frozenset({"force_destroy"}),
    ),
    "databricks_schema": Life(
        first={"catalog_name": "c", "name": "t"},
        then={"comment": "two", "owner": "other"},
        import_id="c.t",
        import_loses=frozenset({"force_destroy"}),
    ),
    "databricks_volume": Life(
        first={"catalog_name": "c", "schema_name": "s", "name": "v", "volume_type": "MANAGED"},
        then={"comment": "two"},
        import_id="c.s.v",
    ),
    "databricks_registered_model": Life(
        first={"catalog_name": "c", "schema_name": "s", "name": "n", "owner": "me@example.com"},
        then={"comment": "two"},
        import_id="c.s.n",
    ),
    "databricks_grants": Life(
        first={"schema": "c.s", "grant": [{"principal": "a", "privileges": ["USE_SCHEMA"]}]},
        then={"grant": [{"principal": "b", "privileges": ["SELECT", "MODIFY"]}]},
        import_id="schema/c.s",
    ),
    "databricks_grant": Life(
        first={"table": "c.s.given", "principal": "a", "privileges": ["SELECT"]},
        then={"privileges": ["MODIFY", "SELECT"]},
        import_id="table/c.s.given/a",
    ),
    "databricks_sql_table": Life(
        first={
            "catalog_name": "c", "schema_name": "s", "name": "t", "table_type": "MANAGED",
            "data_source_format": "DELTA", "warehouse_id": "{warehouse}", "column": COLUMNS,
            "properties": {"k": "v"},
        },
        then={
            "comment": "two",
            "column": [*COLUMNS, {"name": "ts", "type": "timestamp"}],
            "properties": {"k": "w"},
        },
        import_id="c.s.t",
        import_loses=frozenset({"warehouse_id", "properties"}),
    ),
    "databricks_sql_endpoint": Life(
        first={"name": "wh", "cluster_size": "Small"},
        then={"auto_stop_mins": 10, "max_num_clusters": 3},
        import_id="{id}",
        import_loses=frozenset({"no_wait"}),
    ),
    "databricks_query": Life(
        first={"display_name": "q", "query_text": "select 1", "warehouse_id": "{warehouse}"},
        then={"query_text": "select 2", "description": "two", "tags": ["a"]},
        import_id="{id}",
    ),
    "databricks_dashboard": Life(
        first={
            "display_name": "d", "parent_path": "/Shared", "warehouse_id": "{warehouse}",
            "serialized_dashboard": '{"pages": []}',
        },
        then={"display_name": "e"},
    ),
    "databricks_job": Life(
        first={
            "name": "j",
            "task": [{"task_key": "a", "notebook_task": [{"notebook_path": "/n"}]}],
        },
        then={"name": "k", "max_concurrent_runs": 2, "description": "two"},
        import_id="{id}",
        import_loses=frozenset({"always_running", "control_run_state"}),
    ),
    "databricks_cluster": Life(
        first={
            "cluster_name": "c", "spark_version": "15.4.x-scala2.12", "node_type_id": "i3.xlarge",
            "num_workers": 1,
        },
        then={"num_workers": 2, "is_pinned": True},
        import_id="{id}",
        import_loses=frozenset({"no_wait"}),
    ),
    "databricks_cluster_policy": Life(
        first={"name": "p", "definition": "{}"},
        then={"definition": '{"a": 1}', "description": "two"},
        import_id="{id}",
    ),
    "databricks_secret_scope": Life(first={"name": "s"}, import_id="s"),
    "databricks_secret": Life(
        first={"scope": "given", "key": "k", "string_value": "one"}, then={"string_value": "two"}
    ),
    "databricks_secret_acl": Life(
        first={"scope": "given", "principal": "a", "permission": "READ"},
        then={"permission": "WRITE"},
        import_id="given|||a",
    ),
}  # fmt: skip


def test_every_resource_of_the_provider_is_covered() -> None:
    from infra.local.terraform.stand_in.schema import provider_schema

    assert set(LIVES) == set(provider_schema().resources)


@pytest.mark.parametrize("type_", LIVES)
def test_it_is_created_changed_imported_and_destroyed(
    type_: str, workspace: Any, deployed: Any
) -> None:
    life = LIVES[type_]
    address = f"{type_}.this"
    ids = {"{job}": workspace.job, "{warehouse}": workspace.warehouse}
    first = _with(ids, life.first)

    deployed.write(**{type_: {"this": first}})
    deployed.apply()
    assert deployed.plan() == "", "after the creation"

    latest = first | _with(ids, life.then)
    if life.then:
        deployed.write(**{type_: {"this": latest}})
        deployed.apply()
        assert deployed.plan() == "", "after the change"
    state = deployed.state(address)
    assert {name: state[name] for name in latest if isinstance(latest[name], str)} == {
        name: value for name, value in latest.items() if isinstance(value, str)
    }

    if life.import_id is not None:
        deployed.forget()
        deployed.import_(address, _with(ids | {"{id}": state["id"]}, life.import_id))
        plan = deployed.plan()
        changed = {name for name in state if f"+ {name} " in plan or f"~ {name} " in plan}
        assert changed - {"effective_properties"} == life.import_loses
        if plan:
            deployed.apply()

    deployed.destroy()
    assert _unexplained(type_, deployed.tolerated()) == []
    assert workspace.is_as_given


def _with(ids: dict[str, str], settings: Any) -> Any:
    """The settings with what the workspace has chosen."""
    text = json.dumps(settings)
    for name, id_ in ids.items():
        text = text.replace(name, id_)
    return json.loads(text)


def _unexplained(type_: str, tolerated: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without what every provider of the legacy kind does.

    It plans a default, or what it calls the same, for a setting that is not computed; it writes
    zero values for null at an import; it does not say that a computed setting will change.
    """
    from infra.local.terraform.stand_in.schema import provider_schema

    zeros = ("cty.False", "cty.NumberIntVal(0)", 'cty.StringVal("")', "cty.ListValEmpty")
    unexplained = []
    for path, problem in tolerated:
        block = provider_schema().resources[type_].block
        *blocks, name = path.split(".")
        for step in blocks:
            block = block.blocks[step].block
        setting: Any = block.attributes.get(name) or block.blocks[name]
        is_usual = (
            setting.suppresses_diff
            or setting.computed
            or getattr(setting, "default", None) is not None
        )
        if not is_usual and not any(zero in problem for zero in zeros):
            unexplained.append((path, problem))
    return unexplained
