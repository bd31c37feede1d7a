"""Each resource from creation to destruction, through real Terraform, with no diff in between.

The real provider is of the legacy kind, whose inconsistent answers Terraform tolerates, and so is
the stand-in. What it tolerates is in its log, and must be what that kind cannot help.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.local.terraform.server import Server
from tests.infra.local.terraform.terraform import Terraform
from tests.plugin.terraform import TOKEN

if TYPE_CHECKING:
    from tests.infra.local.terraform.workspace import Workspace

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


EVERY_HOUR = {"quartz_cron_schedule": "0 0 * * * ?", "timezone_id": "UTC"}


def alert(limit: float = 0.05, **settings: Any) -> Settings:
    return {
        "display_name": "a",
        "query_text": "SELECT 1 AS error_rate",
        "warehouse_id": "{warehouse}",
        "evaluation": {
            "source": {"name": "error_rate", "aggregation": "MAX"},
            "comparison_operator": "GREATER_THAN",
            "threshold": {"value": {"double_value": limit}},
        },
        "schedule": EVERY_HOUR,
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
    ),
    "databricks_schema": Life(
        first={"catalog_name": "c", "name": "t"},
        then={"comment": "two", "owner": "other"},
        import_id="c.t",
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
    ),
    "databricks_cluster": Life(
        first={
            "cluster_name": "c", "spark_version": "15.4.x-scala2.12", "node_type_id": "i3.xlarge",
            "num_workers": 1,
        },
        then={"num_workers": 2, "is_pinned": True},
        import_id="{id}",
    ),
    "databricks_cluster_policy": Life(
        first={"name": "p", "definition": "{}"},
        then={"definition": '{"a": 1}', "description": "two"},
        import_id="{id}",
    ),
    "databricks_alert_v2": Life(
        first=alert(),
        then=alert(0.1, custom_summary="two", schedule=EVERY_HOUR | {"pause_status": "PAUSED"}),
        import_id="{id}",
    ),
    "databricks_notification_destination": Life(
        first={
            "display_name": "d",
            "config": [{"generic_webhook": [{"url": "https://hooks.example/x"}]}],
        },
        then={
            "display_name": "e",
            "config": [{"generic_webhook": [{"url": "https://hooks.example/y"}]}],
        },
        import_id="{id}",
        import_loses=frozenset({"config"}),  # the address is a secret
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


@dataclasses.dataclass(kw_only=True)
class Lived:
    """What Terraform said and did to all resources, from one command to the next."""

    latest: dict[str, Settings]
    said: dict[str, str]
    states: dict[str, dict[str, Any]]
    tolerated: list[tuple[str, str, str]]
    nothing_is_left: bool


@pytest.fixture(scope="module")
def lived(
    tmp_path_factory: pytest.TempPathFactory,
    workspace_in_process: Workspace,
    provider_environment: dict[str, str],
) -> Lived:
    """All resources are created, changed, imported and destroyed, each command for all of them."""
    workspace = workspace_in_process
    ids = {"{job}": workspace.job, "{warehouse}": workspace.warehouse}
    first = {type_: _with(ids, life.first) for type_, life in LIVES.items()}
    latest = {type_: first[type_] | _with(ids, life.then) for type_, life in LIVES.items()}
    importable = [type_ for type_, life in LIVES.items() if life.import_id is not None]
    said: dict[str, str] = {}
    with contextlib.closing(Server(workspace)) as server:
        terraform = Terraform(tmp_path_factory.mktemp("lives"), server.url, provider_environment)
        terraform.provider["token"] = TOKEN
        terraform.write(**{type_: {"this": settings} for type_, settings in first.items()})
        said["create"] = terraform.apply(check=False)
        said["plan after the creation"] = terraform.plan()

        resources = {type_: {"this": settings} for type_, settings in latest.items()}
        terraform.write(**resources)
        said["change"] = terraform.apply(check=False)
        said["plan after the change"] = terraform.plan()
        states = {type_: terraform.state(f"{type_}.this") for type_ in LIVES}

        terraform.forget(*(f"{type_}.this" for type_ in importable))
        imports = [
            {
                "to": f"{type_}.this",
                "id": _with(ids | {"{id}": states[type_]["id"]}, LIVES[type_].import_id),
            }
            for type_ in importable
        ]
        terraform.write(blocks={"import": imports}, **resources)
        said["plan to import"] = terraform.plan()
        said["import"] = terraform.apply(check=False)

        said["destroy"] = terraform.destroy(check=False)
        return Lived(
            latest=latest,
            said=said,
            states=states,
            tolerated=terraform.tolerated(),
            nothing_is_left=workspace.is_as_given,
        )


@pytest.mark.parametrize("type_", LIVES)
def test_it_is_created_changed_imported_and_destroyed(type_: str, lived: Lived) -> None:
    life, address = LIVES[type_], f"{type_}.this"

    for command in ("create", "change", "import", "destroy"):
        assert f"with {address}," not in lived.said[command], "its problem"
        assert f"{address}: " in lived.said[command]
    assert address not in planned(lived.said["plan after the creation"])
    assert address not in planned(lived.said["plan after the change"])

    latest, state = lived.latest[type_], lived.states[type_]
    assert {name: state[name] for name in latest if isinstance(latest[name], str)} == {
        name: value for name, value in latest.items() if isinstance(value, str)
    }

    if life.import_id is not None:
        plan = planned(lived.said["plan to import"])[address]
        changed = {name for name in state if f"+ {name} " in plan or f"~ {name} " in plan}
        assert changed - {"effective_properties"} == life.import_loses
        assert f"{address}: Import complete" in lived.said["import"]

    tolerated = [(path, problem) for of, path, problem in lived.tolerated if of == address]
    assert _unexplained(type_, tolerated) == []


def test_destruction_leaves_the_workspace_as_it_was(lived: Lived) -> None:
    assert lived.nothing_is_left


def planned(plan: str) -> dict[str, str]:
    """What a plan says about each resource that it changes."""
    parts = re.split(r"^ +# (\S+) (?=will|must)", plan, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


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
