"""databricks_sql_table: tables and views by SQL statements on a warehouse.

Reads ask twice for the table, as the real provider does. Only `warehouse_id` is supported:
without it the real provider starts a cluster to run Spark SQL on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from infra.local.terraform.stand_in.calls import Call, CallError
from infra.local.terraform.stand_in.conversion import Conversion
from infra.local.terraform.stand_in.planning import (
    Change,
    Plan,
    Suppress,
    empty_keeps_old,
    same_ignoring_case,
    same_ignoring_white_space,
)
from infra.local.terraform.stand_in.resources.resource import Data, Refused, Resource
from infra.local.terraform.stand_in.values import UNKNOWN, Value

if TYPE_CHECKING:
    from infra.local.terraform.stand_in.rest import Rest

_STATEMENTS = "2.0/sql/statements"
_SYNONYMS = {
    "integer": "int",
    "long": "bigint",
    "real": "float",
    "short": "smallint",
    "byte": "tinyint",
    "decimal": "decimal(10,0)",
    "dec": "decimal(10,0)",
    "numeric": "decimal(10,0)",
}
_OPTION_PREFIXES = ("option.", "spark.sql.dataSourceOptions.")

Column = Mapping[str, Any]


def _type_name(type_: str | None) -> str:
    name = (type_ or "").replace("`", "").lower()
    return _SYNONYMS.get(name, name)


def _is_same_type(change: Change) -> bool:
    return _type_name(change.old) == _type_name(change.new)


def _is_same_format(change: Change) -> bool:
    return not change.new or same_ignoring_case(change)


def _is_same_location(change: Change) -> bool:
    return empty_keeps_old(change) or (change.old or "").rstrip("/") == (change.new or "").rstrip(
        "/"
    )


class SqlTable(Resource):
    """databricks_sql_table, made and changed by statements on a warehouse."""

    type = "databricks_sql_table"
    conversion: ClassVar[Conversion] = Conversion(
        names={"column": "columns", "column.type": "type_text"}
    )
    suppress: ClassVar[dict[str, Suppress]] = {
        "name": same_ignoring_case,
        "catalog_name": same_ignoring_case,
        "schema_name": same_ignoring_case,
        "data_source_format": _is_same_format,
        "storage_location": _is_same_location,
        "view_definition": same_ignoring_white_space,
        "column.type": _is_same_type,
    }

    def validate(self, config: Mapping[str, Value]) -> None:
        if config.get("cluster_id") not in {None, UNKNOWN}:
            raise Refused("cluster_id is not supported by the stand-in: set warehouse_id instead")

    def customize(self, plan: Plan, prior: Mapping[str, Value] | None) -> None:
        planned = plan.planned
        if prior is None:
            return
        columns = planned.get("column")
        if columns != prior.get("column") and isinstance(columns, list):
            _check_columns(prior.get("column") or [], columns)
        effective = dict(prior.get("effective_properties") or {})
        missing = {
            name: value
            for name, value in (planned.get("properties") or {}).items()
            if effective.get(name) != value
        }
        for name, value in (planned.get("options") or {}).items():
            full = next((p + name for p in _OPTION_PREFIXES if p + name in effective), None)
            if full is None or effective[full] != value:
                missing[full or _OPTION_PREFIXES[-1] + name] = value
        if missing:
            planned["effective_properties"] = effective | missing
        is_view = planned.get("table_type") == "VIEW"
        if is_view and planned.get("comment") != prior.get("comment"):
            plan.requires_replace.append(("comment",))

    def create(self, rest: Rest, data: Data) -> None:
        _execute(rest, data, _create_statement(data))
        if data.get("owner"):
            path = f"2.1/unity-catalog/tables/{_full_name(data)}"
            rest.patch(path, {"owner": data.text("owner")})
        data.id = _full_name(data)

    def read(self, rest: Rest, data: Data) -> None:
        path = f"2.1/unity-catalog/tables/{data.id}"
        table = rest.get(path)
        columns = rest.get(path).get("columns") or []
        table["columns"] = [
            column | {"identity": _identity(column)} for column in table.get("columns") or []
        ]
        data.state = self.conversion.read(
            self.block,
            table,
            data.state,
            is_new=data.is_new,
            without=frozenset({"effective_properties", "properties", "partitions", "table_id"}),
        )
        data.state["effective_properties"] = {
            name: str(value) for name, value in (table.get("properties") or {}).items()
        }
        data.state["table_id"] = table.get("table_id") or ""
        data.state["partitions"] = [
            column["name"]
            for column in sorted(
                (column for column in columns if column.get("partition_index") is not None),
                key=lambda column: int(column["partition_index"]),
            )
        ] or None

    def update(self, rest: Rest, data: Data) -> None:
        _check_warehouse(data)
        there = rest.get(f"2.1/unity-catalog/tables/{data.id}")
        for statement in _alter_statements(data, there):
            _execute(rest, data, statement)
        if data.changed("owner"):
            owner = data.text("owner") or rest.get("2.0/preview/scim/v2/Me")["userName"]
            rest.patch(f"2.1/unity-catalog/tables/{data.id}", {"owner": owner})

    def delete(self, rest: Rest, data: Data) -> None:
        _execute(rest, data, f"DROP {_kind(data)} {_quoted_name(data)}")


def _full_name(data: Data) -> str:
    return ".".join(data.text(name) for name in ("catalog_name", "schema_name", "name"))


def _quoted_name(data: Data) -> str:
    names = (data.text(name) for name in ("catalog_name", "schema_name", "name"))
    return ".".join(f"`{name}`" for name in names)


def _kind(data: Data) -> str:
    return "VIEW" if data.text("table_type") == "VIEW" else "TABLE"


def _check_warehouse(data: Data) -> None:
    if not data.text("warehouse_id"):
        raise Refused(
            "warehouse_id is not set, and the stand-in does not start a cluster as the real"
            " provider then does: set warehouse_id (an import loses it; apply once after it)"
        )


def _execute(rest: Rest, data: Data, statement: str) -> None:
    _check_warehouse(data)
    answer = rest.post(
        _STATEMENTS,
        {
            "statement": statement,
            "wait_timeout": "50s",
            "warehouse_id": data.text("warehouse_id"),
            "on_wait_timeout": "CANCEL",
        },
    )
    status = answer.get("status") or {}
    if status.get("state") != "SUCCEEDED":
        error = status.get("error") or {}
        raise CallError(
            Call(method="POST", path=f"/api/{_STATEMENTS}"),
            status=200,
            error_code=error.get("error_code") or status.get("state", ""),
            message=f"statement failed to execute: {status.get('state')}"
            + (f": {error['message']}" if error.get("message") else "")
            + f" [{statement}]",
        )


def _create_statement(data: Data) -> str:
    is_view = _kind(data) == "VIEW"
    head = {"VIEW": "CREATE VIEW", "EXTERNAL": "CREATE EXTERNAL TABLE"}.get(
        data.text("table_type"), "CREATE OR REPLACE TABLE"
    )
    parts = [f"{head} {_quoted_name(data)}"]
    if columns := data.get("column"):
        parts.append(f" ({', '.join(_column(column) for column in columns)})")
    if data.text("data_source_format") and not is_view:
        parts.append(f"\nUSING {data.text('data_source_format')}")
    if partitions := data.get("partitions"):
        parts.append(f"\nPARTITIONED BY ({', '.join(partitions)})")
    if keys := data.get("cluster_keys"):
        parts.append(f"\nCLUSTER BY {_cluster_keys(keys)}")
    if data.text("comment"):
        parts.append(f"\nCOMMENT '{_escaped(data.text('comment'))}'")
    if properties := data.get("properties"):
        parts.append(f"\nTBLPROPERTIES ({_pairs(properties)})")
    if options := data.get("options"):
        parts.append(f"\nOPTIONS ({_pairs(options)})")
    if is_view:
        parts.append(f"\nAS {data.text('view_definition')}")
    elif data.text("storage_location"):
        parts.append(f"\n{_location(data)}")
    return "".join(parts) + ";"


def _alter_statements(data: Data, there: Mapping[str, Any]) -> Iterable[str]:
    """What makes the table `there` the configured one, in the provider's order."""
    kind, name = _kind(data), _quoted_name(data)
    if kind == "VIEW":
        if data.text("view_definition") != (there.get("view_definition") or ""):
            yield f"ALTER VIEW {name} AS {data.text('view_definition')}"
    else:
        if data.text("storage_location") != (there.get("storage_location") or ""):
            yield f"ALTER TABLE {name} SET {_location(data)}"
        if (data.get("cluster_keys") or []) != (there.get("cluster_keys") or []):
            yield f"ALTER TABLE {name} CLUSTER BY {_cluster_keys(data.get('cluster_keys') or [])}"
    if data.text("comment") != (there.get("comment") or ""):
        yield f"COMMENT ON {kind} {name} IS '{_escaped(data.text('comment'))}'"
    if properties := data.get("properties"):
        # The provider compares with nothing: it sends them with every change, and unsets none.
        yield f"ALTER {kind} {name} SET TBLPROPERTIES ({_pairs(properties)})"
    yield from _alter_columns(
        data.get("column") or [], there.get("columns") or [], f"ALTER {kind} {name}"
    )


def _alter_columns(wanted: list[Column], there: list[Column], alter: str) -> Iterable[str]:
    if len(wanted) == len(there):
        for column, old in zip(wanted, there, strict=True):
            if column["name"] != old["name"]:
                yield f"{alter} RENAME COLUMN `{old['name']}` to `{column['name']}`"
            if (column.get("comment") or "") != (old.get("comment") or ""):
                comment = _escaped(column.get("comment") or "")
                yield f"{alter} ALTER COLUMN `{column['name']}` COMMENT '{comment}'"
            if bool(column.get("nullable")) != bool(old.get("nullable")):
                change = "DROP" if column.get("nullable") else "SET"
                yield f"{alter} ALTER COLUMN `{column['name']}` {change} NOT NULL"
        return
    names, old_names = ([column["name"] for column in columns] for columns in (wanted, there))
    removed = [f"`{name}`" for name in old_names if name not in names]
    if removed:
        yield f"{alter} DROP COLUMN IF EXISTS ({', '.join(removed)})"
    for index, column in enumerate(wanted):
        if column["name"] not in old_names:
            position = f"AFTER {names[index - 1]}" if index else "FIRST"
            yield f"{alter} ADD COLUMN {_column(column)} {position}"


def _column(column: Column) -> str:
    identity = {
        "always": " GENERATED ALWAYS AS IDENTITY",
        "default": " GENERATED BY DEFAULT AS IDENTITY",
    }.get(column.get("identity") or "", "")
    not_null = "" if column.get("nullable") else " NOT NULL"
    comment = f" COMMENT '{_escaped(column['comment'])}'" if column.get("comment") else ""
    return f"`{column['name']}` {column.get('type') or ''}{identity}{not_null}{comment}"


def _escaped(text: str) -> str:
    return text.replace("\\'", "'").replace("'", "\\'")


def _pairs(settings: Mapping[str, str]) -> str:
    return ", ".join(f"'{name}'='{settings[name]}'" for name in sorted(settings))


def _cluster_keys(keys: list[str]) -> str:
    if keys == ["AUTO"]:
        return "AUTO"  # a word, not the name of a column
    return f"({','.join(f'`{key}`' for key in keys)})"


def _location(data: Data) -> str:
    credential = data.text("storage_credential_name")
    suffix = f" WITH (CREDENTIAL `{credential}`)" if credential else ""
    return f"LOCATION '{data.text('storage_location')}'{suffix}"


def _identity(column: Column) -> str:
    try:
        metadata = json.loads(column.get("type_json") or "{}").get("metadata") or {}
    except ValueError:
        return ""
    if "delta.identity.start" not in metadata:
        return ""
    match metadata.get("delta.identity.allowExplicitInsert"):
        case None:
            return ""
        case explicit:
            return "default" if explicit else "always"


def _check_columns(olds: list[Column], news: list[Column]) -> None:
    """The provider's own limits on what may change at once."""
    if len(olds) == len(news):
        for old, new in zip(olds, news, strict=True):
            if _type_name(old.get("type")) != _type_name(new.get("type")):
                raise Refused("changing the 'type' of an existing column is not supported")
            if (old.get("identity") or "") != (new.get("identity") or ""):
                raise Refused("changing the 'identity' type of an existing column is not supported")
        return
    old_by_name = {column["name"]: column for column in olds}
    for new in news:
        same = old_by_name.get(new["name"])
        if same is not None and (
            _type_name(same.get("type")) != _type_name(new.get("type"))
            or bool(same.get("nullable")) != bool(new.get("nullable"))
            or (same.get("comment") or "") != (new.get("comment") or "")
        ):
            raise Refused(
                "detected changes in both number of columns and existing column field values,"
                " please do not change number of columns and update column values at the same time"
            )
