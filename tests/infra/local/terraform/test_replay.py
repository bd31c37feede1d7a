"""For the same configuration the stand-in sends what the real provider sent.

`tests/infra/local/provider-calls/` holds the calls that databricks/databricks 1.99.0 was seen to
send, with the first 900 characters of each answer. Each case here is the configuration that caused
them, phase by phase; the server answers as it did then.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CALLS = Path(__file__).parents[1] / "provider-calls"
WAREHOUSE = "6be3b26a"

Resources = dict[str, dict[str, dict[str, Any]]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recorded:
    call: str
    body: Any
    status: int
    answer: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """`phases` maps each phase that changes the configuration to the new one.

    The other phases follow from their names: `plan*`, `import*` and `destroy`.
    """

    file: str
    phases: Mapping[str, Resources]
    imports: tuple[str, str] | None = None
    complete: Callable[[str, Recorded, list[Any]], Any] | None = None
    """An answer that was cut, from its beginning and the bodies sent so far."""


def recorded(file: str, case: str) -> dict[str, list[Recorded]]:
    phases: dict[str, list[Recorded]] = {}
    for line in (CALLS / f"{file}.jsonl").read_text().splitlines():
        one = json.loads(line)
        if one["case"] != case:
            continue
        phases.setdefault(one["phase"], []).extend(
            [
                Recorded(
                    call=one["call"],
                    body=one["request"],
                    status=one["status"],
                    answer=one["response"],
                )
            ]
            * one.get("times", 1)
        )
    return phases


def served(
    version: str = "2",
    share: int = 90,
    *,
    gateway: str = "on",
    tags: Mapping[str, str] | None = None,
    level: str = "CAN_QUERY",
) -> Resources:
    entity = {"entity_name": "base.s.m", "workload_size": "Small", "scale_to_zero_enabled": True}
    table = {"catalog_name": "base", "schema_name": "s", "table_name_prefix": "ep1"}
    limits = [{"calls": 100, "key": "endpoint", "renewal_period": "minute"}]
    return {
        "databricks_model_serving": {
            "this": {
                "name": "ep1",
                "config": [
                    {
                        "served_entities": [
                            entity
                            | {
                                "name": "champion",
                                "entity_version": "1",
                                "environment_vars": {"KEY": "{{secrets/fx/k1}}", "LOG": "1"},
                            },
                            entity | {"name": "challenger", "entity_version": version},
                        ],
                        "traffic_config": [
                            {
                                "routes": [
                                    {"served_model_name": name, "traffic_percentage": percentage}
                                    for name, percentage in (
                                        ("champion", share),
                                        ("challenger", 100 - share),
                                    )
                                ]
                            }
                        ],
                    }
                ],
                "ai_gateway": [
                    {
                        "inference_table_config": [table | {"enabled": gateway == "on"}],
                        "usage_tracking_config": [{"enabled": True}],
                        **({} if gateway == "on" else {"rate_limits": limits}),
                    }
                ],
                "tags": [
                    {"key": key, "value": value}
                    for key, value in (tags or {"env": "dev", "team": "ml"}).items()
                ],
            }
        },
        "databricks_permissions": {
            "this": {
                "serving_endpoint_id": "${databricks_model_serving.this.serving_endpoint_id}",
                "access_control": [{"group_name": "analysts", "permission_level": level}],
            }
        },
    }


def complete_endpoint(text: str, _: Recorded, sent: list[Any]) -> Any:
    """Only the config is cut: it is the one last sent, or the one before if that failed."""
    endpoint = json.loads(text.partition(', "config": ')[0] + "}")
    configs = [body.get("config", body) for body in sent if "config" in body or _is_config(body)]
    failed = endpoint["state"]["config_update"] == "UPDATE_FAILED"
    config = copy.deepcopy(configs[-2] if failed else configs[-1])
    for entity in config["served_entities"]:
        entity |= {"workload_type": "CPU", "state": {"deployment": "DEPLOYMENT_READY"}}
    for route in config["traffic_config"]["routes"]:
        route["served_entity_name"] = route["served_model_name"]
    assert json.dumps(config["served_entities"][0])[:60] in text
    return endpoint | {"config": config}


def _is_config(body: Any) -> bool:
    return isinstance(body, dict) and "served_entities" in body


def permissions(setting: str, id_: str, **levels: str) -> Resources:
    entries = [{"group_name": group, "permission_level": level} for group, level in levels.items()]
    return {"databricks_permissions": {"this": {setting: id_, "access_control": entries}}}


def one(type_: str, **settings: Any) -> Resources:
    return {type_: {"this": settings}}


def table(
    name: str, *, columns: tuple[str, ...] = ("id", "name", "amt"), comments: Any = (), **more: Any
) -> Resources:
    types = {"id": "bigint", "name": "string", "amt": "double", "n": "int", "ts": "timestamp"}
    comment_of = dict(comments)
    column = [
        {"name": column, "type": types[column]}
        | ({"nullable": False} if column == "id" else {})
        | ({"comment": comment_of[column]} if column in comment_of else {})
        for column in columns
    ]
    settings = {
        "catalog_name": "base", "schema_name": "s", "name": name, "table_type": "MANAGED",
        "data_source_format": "DELTA", "warehouse_id": WAREHOUSE, "column": column,
    }  # fmt: skip
    return one("databricks_sql_table", **(settings | more))


def complete_table(text: str, answered: Recorded, sent: list[Any]) -> Any:
    """The columns are cut in the third; those that the statements name after it are missing."""
    text = re.sub(r'"([\w]+)": ', r'"\1":', text).replace(", ", ",")
    head, _, rest = text.partition(',"columns":[')
    answer = json.loads(head + "}")
    columns: list[dict[str, Any]] = []
    for part in re.split(r",(?=\{\"name\":)", rest):
        begin = re.match(r'\{"name":"(\w+)","type_text":"(\w+)"', part)
        if begin:
            comment = re.search(r'"comment":"(\w*)"', part)
            columns.append(
                {
                    "name": begin[1],
                    "type_text": begin[2],
                    "nullable": '"nullable":false' not in part,
                    "comment": comment and comment[1],
                }
            )
    names = {column["name"] for column in columns}
    for body in sent:
        for name, type_ in re.findall(r"`(n|ts)` (int|timestamp)", str(body.get("statement"))):
            if name not in names and "DROP" not in body["statement"]:
                names.add(name)
                columns.append({"name": name, "type_text": type_, "nullable": True})
    assert answered.call.endswith(answer["full_name"])
    return answer | {"columns": columns, "properties": {}, "owner": "minilake-user"}


def view(definition: str) -> Resources:
    return one(
        "databricks_sql_table", catalog_name="base", schema_name="s", name="v1", table_type="VIEW",
        view_definition=definition, warehouse_id=WAREHOUSE,
    )  # fmt: skip


def job(name: str, **more: Any) -> Resources:
    cluster = {"spark_version": "15.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 1}
    return one(
        "databricks_job",
        name=name,
        tags={"team": "ml"},
        queue=[{"enabled": False}],
        job_cluster=[{"job_cluster_key": "k", "new_cluster": [cluster]}],
        task=[
            {
                "task_key": "a",
                "job_cluster_key": "k",
                "spark_python_task": [
                    {"python_file": "/Workspace/x.py", "parameters": ["--n", "1"]}
                ],
            },
            {
                "task_key": "b",
                "existing_cluster_id": "0b6eed50",
                "depends_on": [{"task_key": "a"}],
                "notebook_task": [{"notebook_path": "/Users/minilake-user/nb"}],
            },
        ],
        **more,
    )


def complete_job(text: str, _: Recorded, sent: list[Any]) -> Any:
    """The settings are the ones last sent, with the default that the server adds."""
    head = json.loads(text.partition(',"settings":')[0] + "}")
    settings = copy.deepcopy(sent[-1].get("new_settings", sent[-1]))
    for task in settings["tasks"]:
        task["run_if"] = "ALL_SUCCESS"
    return head | {"settings": settings}


def warehouse(size: str, minutes: int, clusters: int, **more: Any) -> Resources:
    return one(
        "databricks_sql_endpoint", name="wh1", cluster_size=size, auto_stop_mins=minutes,
        max_num_clusters=clusters, warehouse_type="PRO", enable_serverless_compute=True, **more,
    )  # fmt: skip


def cluster(minutes: int) -> Resources:
    return one(
        "databricks_cluster",
        cluster_name="sn1",
        spark_version="15.4.x-scala2.12",
        node_type_id="i3.xlarge",
        num_workers=0,
        autotermination_minutes=minutes,
        data_security_mode="SINGLE_USER",
        custom_tags={"ResourceClass": "SingleNode"},
        spark_conf={
            "spark.databricks.cluster.profile": "singleNode",
            "spark.master": "local[*]",
        },
    )


def pinned(is_pinned: bool) -> Resources:
    resources = copy.deepcopy(cluster(20))
    resources["databricks_cluster"]["this"] |= {"cluster_name": "pin", "is_pinned": is_pinned}
    return resources


def autoscaled(least: int, most: int) -> Resources:
    return one(
        "databricks_cluster", cluster_name="as", spark_version="15.4.x-scala2.12",
        node_type_id="i3.xlarge", spark_env_vars={"A": "b"},
        autoscale=[{"min_workers": least, "max_workers": most}],
        aws_attributes=[{"availability": "SPOT", "first_on_demand": 1}],
    )  # fmt: skip


def complete_permissions(text: str, _: Recorded, sent: list[Any]) -> Any:
    head = json.loads(text.partition(',"access_control_list":')[0] + "}")
    entries = [
        {name: value for name, value in entry.items() if name != "permission_level"}
        | {"all_permissions": [{"permission_level": entry["permission_level"], "inherited": False}]}
        for entry in sent[-1]["access_control_list"]
    ]
    return head | {"access_control_list": entries}


def dashboard(name: str, title: str) -> Resources:
    return one(
        "databricks_dashboard", display_name=name, parent_path="/Shared", warehouse_id=WAREHOUSE,
        embed_credentials=False,
        serialized_dashboard=f'{{"pages": [{{"name": "p", "displayName": "{title}"}}]}}',
    )  # fmt: skip


def query(number: int, description: str, tags: list[str]) -> Resources:
    return one(
        "databricks_query", display_name=f"q{number}", query_text=f"select {number}",
        warehouse_id=WAREHOUSE, parent_path="/Workspace/Users/minilake-user",
        description=description, tags=tags,
    )  # fmt: skip


def grants(setting: str, name: str, **privileges: list[str]) -> Resources:
    entries = [{"principal": who, "privileges": what} for who, what in privileges.items()]
    return one("databricks_grants", **{setting: name, "grant": entries})


def secret(value: str) -> Resources:
    return one("databricks_secret", scope="fx", key="k1", string_value=value)


def alert(limit: float, pause_status: str) -> Resources:
    destination = "${databricks_notification_destination.this.id}"
    return {
        "databricks_notification_destination": {
            "this": {
                "display_name": "oncall",
                "config": [{"generic_webhook": [{"url": "https://hooks.example/x"}]}],
            }
        },
        "databricks_alert_v2": {
            "this": {
                "display_name": "error rate",
                "custom_summary": "Error rate {{QUERY_RESULT_VALUE}}",
                "query_text": "SELECT 1 AS error_rate",
                "warehouse_id": WAREHOUSE,
                "evaluation": {
                    "source": {"name": "error_rate", "aggregation": "MAX"},
                    "comparison_operator": "GREATER_THAN",
                    "threshold": {"value": {"double_value": limit}},
                    "empty_result_state": "OK",
                    "notification": {
                        "notify_on_ok": True,
                        "retrigger_seconds": 3600,
                        "subscriptions": [
                            {"destination_id": destination},
                            {"user_email": "oncall@clinic.example"},
                        ],
                    },
                },
                "schedule": {
                    "quartz_cron_schedule": "0 0/5 * * * ?",
                    "timezone_id": "UTC",
                    "pause_status": pause_status,
                },
            }
        },
    }


ENDPOINT = "0123456789abcdef0123456789abcdef"
NEW_TAGS = {"team": "ds", "owner": "x"}
SERVING_IMPORT = ("databricks_model_serving.this", "ep1")

CASES = {
    "model_serving_full": Case(
        file="model_serving",
        phases={
            "create": served(),
            "upd-traffic": served(share=50),
            "upd-version": served("3", 50),
            "upd-ai": served("3", 50, gateway="off"),
            "upd-tags": served("3", 50, gateway="off", tags=NEW_TAGS),
            "upd-perm": served("3", 50, gateway="off", tags=NEW_TAGS, level="CAN_VIEW"),
            "upd-all": served(),
        },
        imports=SERVING_IMPORT,
        complete=complete_endpoint,
    ),
    "model_serving_failupd": Case(
        file="model_serving",
        phases={"create": served(), "update-fails": served("3"), "reapply": served("3")},
        complete=complete_endpoint,
    ),
    "imp2": Case(
        file="model_serving",
        phases={"create": served()},
        imports=SERVING_IMPORT,
        complete=complete_endpoint,
    ),
    "permissions_serving": Case(
        file="permissions",
        phases={
            "create": permissions("serving_endpoint_id", ENDPOINT, analysts="CAN_QUERY"),
            "update": permissions(
                "serving_endpoint_id", ENDPOINT, analysts="CAN_VIEW", engineers="CAN_MANAGE"
            ),
        },
    ),
    "permissions_job": Case(
        file="permissions",
        phases={
            "create": permissions("job_id", "1", analysts="CAN_VIEW"),
            "update": permissions(
                "job_id", "1", analysts="CAN_MANAGE_RUN", engineers="CAN_MANAGE"
            ),
        },
    ),
    "registered_model": Case(
        file="registered_model",
        phases={
            phase: one(
                "databricks_registered_model",
                catalog_name="base", schema_name="s", name="mod1", comment=comment,
            )
            for phase, comment in (("create", "one"), ("update", "two"))
        },
        imports=("databricks_registered_model.this", "base.s.mod1"),
    ),
    "catalog": Case(
        file="catalog",
        phases={
            "create": one("databricks_catalog", name="cat1", comment="one",
                          properties={"purpose": "t"}),
            "update": one("databricks_catalog", name="cat1", comment="two",
                          properties={"purpose": "t2"}),
        },
        imports=("databricks_catalog.this", "cat1"),
    ),
    "schema": Case(
        file="schema",
        phases={
            "create": one("databricks_schema", catalog_name="base", name="sch1", comment="one"),
            "update": one("databricks_schema", catalog_name="base", name="sch1", comment="two",
                          properties={"k": "v"}),
        },
        imports=("databricks_schema.this", "base.sch1"),
    ),
    "volume": Case(
        file="volume",
        phases={
            phase: one(
                "databricks_volume", catalog_name="base", schema_name="s", name="vol1",
                volume_type="MANAGED", comment=comment,
            )
            for phase, comment in (("create", "one"), ("update", "two"))
        },
        imports=("databricks_volume.this", "base.s.vol1"),
    ),
    "grants_catalog": Case(
        file="grants",
        phases={
            "create": grants("catalog", "base", analysts=["USE_CATALOG"]),
            "update": grants("catalog", "base", analysts=["USE_CATALOG", "BROWSE"],
                             engineers=["USE_CATALOG", "CREATE_SCHEMA"]),
        },
    ),
    "grants_model": Case(
        file="grants",
        phases={
            "create": grants("model", "base.s.m", analysts=["EXECUTE"]),
            "update": grants("model", "base.s.m", analysts=["EXECUTE", "APPLY_TAG"]),
        },
    ),
    "sql_table": Case(
        file="sql_table",
        phases={
            "create": table("tab1", comments=[("name", "nm")], comment="one"),
            "update": table("tab1", columns=("id", "name", "amt", "ts"),
                            comments=[("name", "nm")], comment="two"),
        },
        complete=complete_table,
    ),
    "sqltab_addcol": Case(
        file="sql_table",
        phases={"create": table("p4"), "update": table("p4", columns=("id", "name", "amt", "n"))},
        complete=complete_table,
    ),
    "sqltab_dropcol": Case(
        file="sql_table",
        phases={"create": table("p5", columns=("id", "name", "amt", "n")), "update": table("p5")},
        complete=complete_table,
    ),
    "sqltab_colcomment": Case(
        file="sql_table",
        phases={"create": table("p6"), "update": table("p6", comments=[("name", "x")])},
        complete=complete_table,
    ),
    "sqltab_props": Case(
        file="sql_table",
        phases={
            "create": table("p9", properties={"k": "v"}),
            "update": table("p9", properties={"k": "v2"}),
        },
        complete=complete_table,
    ),
    "sqltab_part": Case(
        file="sql_table",
        phases={"create": table("p11", partitions=["name"])},
        complete=complete_table,
    ),
    "sqltab_view": Case(
        file="sql_table",
        phases={"create": view("SELECT 1 AS a"), "update": view("SELECT 2 AS a")},
        complete=complete_table,
    ),
    "sql_endpoint": Case(
        file="sql_endpoint",
        phases={
            "create": warehouse(
                "2X-Small", 10, 1, tags=[{"custom_tags": [{"key": "team", "value": "ml"}]}]
            ),
            "update": warehouse("Small", 20, 2),
        },
    ),
    "query": Case(
        file="query",
        phases={"create": query(1, "d", ["a"]), "update": query(2, "d2", ["a", "b"])},
    ),
    "dashboard": Case(
        file="dashboard",
        phases={"create": dashboard("d1", "a"), "update": dashboard("d2", "b")},
    ),
    "job": Case(
        file="job",
        phases={
            "create": job("j1"),
            "update": job(
                "j2",
                schedule=[
                    {
                        "quartz_cron_expression": "0 0 6 * * ?",
                        "timezone_id": "UTC",
                        "pause_status": "PAUSED",
                    }
                ],
            ),
        },
        complete=complete_job,
    ),
    "cluster": Case(file="cluster", phases={"create": cluster(20), "update": cluster(30)}),
    "cluster_pinned": Case(
        file="more_resources",
        phases={"create": pinned(True), "update": pinned(False)},
    ),
    "cluster_autoscale": Case(
        file="more_resources",
        phases={"create": autoscaled(1, 3), "update": autoscaled(2, 5)},
    ),
    "sqltab_cluster_auto": Case(
        file="more_resources",
        phases={"create": table("p10b", warehouse_id=WAREHOUSE, cluster_keys=["AUTO"])},
        complete=complete_table,
    ),
    "perm_sql_endpoint_id": Case(
        file="more_resources",
        phases={
            "create": permissions("sql_endpoint_id", WAREHOUSE, analysts="CAN_USE"),
            "update": one(
                "databricks_permissions",
                sql_endpoint_id=WAREHOUSE,
                access_control=[
                    {"group_name": "analysts", "permission_level": "CAN_MONITOR"},
                    {"user_name": "someone@example.com", "permission_level": "CAN_MANAGE"},
                    {
                        "service_principal_name": "00000000-0000-0000-0000-000000000001",
                        "permission_level": "CAN_USE",
                    },
                ],
            ),
        },
        complete=complete_permissions,
    ),
    "alert_v2": Case(
        file="alert_v2",
        phases={"create": alert(0.05, "UNPAUSED"), "update": alert(0.1, "PAUSED")},
        imports=("databricks_alert_v2.this", "12abc29b-660b-425d-adf5-d16b085a37d7"),
    ),
    "secret": Case(file="secret", phases={"create": secret("one"), "update": secret("two")}),
    "secret_scope": Case(
        file="secret_scope",
        phases={"create": one("databricks_secret_scope", name="sc1")},
        imports=("databricks_secret_scope.this", "sc1"),
    ),
}  # fmt: skip


def test_every_recorded_case_is_replayed() -> None:
    cases = {
        json.loads(line)["case"]
        for file in CALLS.glob("*.jsonl")
        for line in file.read_text().splitlines()
    }
    assert cases == set(CASES)


class Replay:
    """Answers as recorded, call by call. What was not recorded at this point gets a 404."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._expected: Iterator[Recorded] = iter(())
        self._sent: list[Any] = []

    def expect(self, calls: list[Recorded]) -> None:
        self._expected = iter(calls)

    def __call__(self, request: Any) -> tuple[int, Any]:
        if request.body is not None:
            self._sent.append(request.body)
        recorded = next(self._expected, None)
        if recorded is None or recorded.call != request.call:
            return 404, {"error_code": "NOT_RECORDED", "message": f"{request.call} is not next"}
        return recorded.status, self._answer(recorded)

    def _answer(self, recorded: Recorded) -> Any:
        try:
            answer = json.loads(recorded.answer)
        except ValueError:
            if recorded.call == "POST /api/2.0/sql/statements":
                return {"status": {"state": "SUCCEEDED"}}
            assert self._case.complete is not None
            return self._case.complete(recorded.answer, recorded, self._sent)
        return answer


def sequence(calls: list[Any]) -> list[tuple[str, Any]]:
    """Calls and bodies; secret values are not recorded."""
    result = []
    for one in calls:
        body = one.body
        if isinstance(body, dict) and "string_value" in body:
            body = body | {"string_value": "<redacted>"}
        result.append((one.call, body))
    return result


@pytest.mark.parametrize("name", CASES)
def test_the_calls_are_those_of_the_real_provider(name: str, serve: Any, terraform: Any) -> None:
    case = CASES[name]
    replay = Replay(case)
    server = serve(replay)
    run = terraform(server.url)
    for phase, calls in recorded(case.file, name).items():
        replay.expect(_as_seen(calls))
        if phase in case.phases:
            run.write(**case.phases[phase])
            run.apply(check=False)
        elif phase.startswith("plan"):
            run.plan()
        elif phase == "import":
            assert case.imports is not None
            run.run("state", "rm", case.imports[0])
            run.import_(*case.imports)
        else:
            assert phase == "destroy"
            run.destroy(check=False)
        assert sequence(server.take()) == sequence(calls), f"{name}, {phase}"


def _as_seen(calls: list[Recorded]) -> list[Recorded]:
    """A cluster that is PENDING when asked first runs when asked again."""
    pending = '"state":"PENDING"'
    return [
        dataclasses.replace(call, answer=call.answer.replace(pending, '"state":"RUNNING"'))
        if index and calls[index - 1].call == call.call
        else call
        for index, call in enumerate(calls)
    ]
