"""ALTER and COMMENT: DuckDB's table and Unity Catalog's metadata in one transaction."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from infra.local.catalog.tables import Column, Table
from infra.local.sql import errors
from infra.local.sql.declared_columns import (
    data_type,
    declared_column,
    properties,
    require_columns,
    spelling,
)
from infra.local.sql.definition import Definition
from infra.local.sql.duckdb_text import READ
from infra.local.sql.errors import StatementError, not_emulated
from infra.local.storage.database import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

_REBUILT_SUFFIX: Final = "__rebuilt"


_UNSET_PROPERTIES = re.compile(
    r"^\s*UNSET\s+TBLPROPERTIES\s*(?P<exists>IF\s+EXISTS\s*)?\((?P<keys>.*)\)\s*;?\s*$",
    re.IGNORECASE | re.DOTALL,
)


_OWNER = re.compile(r"^\s*(?:SET\s+)?OWNER\s+TO\s+(?P<owner>.+?)\s*;?\s*$", re.IGNORECASE)


_ALTER_TAIL = re.compile(
    r"^\s*(?P<kind>TABLE|VIEW)\s+(?P<name>(?:`[^`]*`|[\w.]+)+)\s+(?P<tail>.*)$",
    re.IGNORECASE | re.DOTALL,
)


_KEY = re.compile(r"'(?P<quoted>[^']*)'|(?P<bare>[\w.]+)")


def _index(table: Table, name: str) -> int:
    for index, column in enumerate(table.columns):
        if column.name.lower() == name.lower():
            return index
    known = ", ".join(f"`{column.name}`" for column in table.columns)
    raise StatementError(
        errors.UNRESOLVED_COLUMN,
        f"A column with name `{name}` cannot be resolved. Did you mean one of the following? "
        f"[{known}].",
    )


def _actions(node: exp.Alter) -> list[exp.Expr]:
    return list(node.args.get("actions") or [])


class Alterations(Definition):
    """Executes ALTER and COMMENT in the transaction of ``connection``."""

    def comment(self, node: exp.Comment) -> None:
        """COMMENT ON a table, view or column. Raises StatementError."""
        text = node.expression.name if node.expression.is_string else None
        match node.args["kind"].upper():
            case "TABLE" | "VIEW":
                self._change(self.existing(node.this), comment=text)
            case "COLUMN":
                column = node.this
                table = self.existing(
                    exp.Table(
                        this=column.args["table"],
                        db=column.args.get("db"),
                        catalog=column.args.get("catalog"),
                    )
                )
                self._comment_column(table, column.name, text)
            case kind:
                raise not_emulated(f"COMMENT ON {kind}")

    def alter(self, node: exp.Alter) -> None:
        """Every action of ALTER TABLE or ALTER VIEW, in their order. Raises StatementError."""
        table = self.existing(node.this)
        if node.args["kind"] == "VIEW" and not table.is_view:
            raise StatementError(
                errors.EXPECT_VIEW_NOT_TABLE, f"`{table.name.full_name}` is a table, not a view."
            )
        for action in _actions(node):
            # Each action sees what the one before it did.
            self._alter(self.existing(node.this), action, node)

    def _alter(self, table: Table, action: exp.Expr, node: exp.Alter) -> None:
        match action:
            case exp.AlterSet():
                self._change(table, properties={**table.metadata.properties, **properties(action)})
            case exp.Query():
                metadata = table.metadata.changed(
                    self._tables.user, view_definition=node.meta["query"], column_comments={}
                )
                self._define_view(table.name, action, [], metadata)
            case exp.AlterRename():
                self._rename(table, action.this)
            case _ if table.is_view:
                raise not_emulated(f"ALTER VIEW {action.sql(READ)}")
            case exp.ColumnDef():
                self._add_column(table, action)
            case exp.Schema():
                for column in action.expressions:
                    self._add_column(self.existing(node.this), column)
            case exp.Drop(kind="COLUMN"):
                self._drop_columns(table, action)
            case exp.AlterColumn():
                self._alter_column(table, action)
            case exp.RenameColumn():
                self._rename_column(table, action)
            case exp.ClusterProperty() | exp.Cluster():
                columns = tuple(column.name for column in action.expressions)
                require_columns(table.columns, columns)
                self._change(table, clustered_by=columns)
            case _:
                raise not_emulated(f"ALTER TABLE {action.sql(READ)}")

    def alter_command(self, text: str) -> None:
        """The forms of ALTER that sqlglot does not parse: UNSET TBLPROPERTIES, OWNER TO."""
        match = _ALTER_TAIL.match(text)
        if match is None:
            raise not_emulated(f"ALTER {text}")
        table = self.existing(exp.to_table(match["name"], dialect=READ))
        if unset := _UNSET_PROPERTIES.match(match["tail"]):
            keys = {key["quoted"] or key["bare"] for key in _KEY.finditer(unset["keys"])}
            missing = sorted(keys - table.metadata.properties.keys())
            if missing and not unset["exists"]:
                raise StatementError(
                    errors.UNSET_NONEXISTENT_PROPERTIES,
                    f"Attempted to unset non-existent properties {missing} on table "
                    f"`{table.name.full_name}`.",
                )
            kept = {k: v for k, v in table.metadata.properties.items() if k not in keys}
            self._change(table, properties=kept)
        elif owner := _OWNER.match(match["tail"]):
            self._change(table, owner=owner["owner"].strip("`'\""))
        else:
            raise not_emulated(f"ALTER {match['kind']} ... {match['tail']}")

    def _change(self, table: Table, **values: object) -> None:
        metadata = table.metadata.changed(self._tables.user, **values)
        self._tables.put(self._connection, dataclasses.replace(table, metadata=metadata))

    def _rename(self, table: Table, to: exp.Expr) -> None:
        target = self._new(to)
        if (target.catalog, target.schema) != (table.name.catalog, table.name.schema):
            raise not_emulated("Renaming a table into another schema")
        if self._tables.find(self._connection, target) is not None:
            raise StatementError(
                errors.TABLE_OR_VIEW_ALREADY_EXISTS, f"`{target.full_name}` already exists."
            )
        kind = table.metadata.table_type.replace("MANAGED", "TABLE")
        self._connection.execute(f"ALTER {kind} {table.name.sql} RENAME TO {quoted(target.table)}")
        self._tables.forget(self._connection, table.name)
        metadata = table.metadata.changed(self._tables.user)
        self._tables.put(
            self._connection, dataclasses.replace(table, name=target, metadata=metadata)
        )

    def _add_column(self, table: Table, definition: exp.ColumnDef) -> None:
        column = declared_column(definition)
        if table.column(column.name):
            if definition.args.get("exists"):
                return
            raise StatementError(
                errors.COLUMN_ALREADY_EXISTS,
                f"The column `{column.name}` already exists. Choose another name or rename the "
                "existing column.",
            )
        columns = list(table.columns)
        columns.insert(self._position(table, definition.args.get("position")), column)
        self._rebuild(table, columns)

    def _position(self, table: Table, position: exp.Expr | None) -> int:
        if position is None:
            return len(table.columns)
        if position.args.get("position") == "FIRST":
            return 0
        return _index(table, position.this.name) + 1

    def _drop_columns(self, table: Table, action: exp.Drop) -> None:
        dropped = set()
        for target in action.args["tables"]:
            # `(a, b)` is a tuple, `(a)` a parenthesis, `a` a column.
            for column in target.find_all(exp.Column):
                if table.column(column.name) is None and action.args.get("exists"):
                    continue
                dropped.add(_index(table, column.name))
        kept = [c for position, c in enumerate(table.columns) if position not in dropped]
        if not kept:
            raise not_emulated("Dropping every column of a table")
        if dropped:
            self._rebuild(table, kept)

    def _alter_column(self, table: Table, action: exp.AlterColumn) -> None:
        index = _index(table, action.name)
        column = table.columns[index]
        if (comment := action.args.get("comment")) is not None:
            self._comment_column(table, column.name, comment.name)
            return
        if action.args.get("allow_null") is not None:
            column = dataclasses.replace(column, nullable=bool(action.args.get("drop")))
        elif (wanted := action.args.get("dtype")) is not None:
            declared = data_type(wanted)
            column = dataclasses.replace(
                column, type=declared, declared_type=spelling(wanted, declared)
            )
        elif (default := action.args.get("default")) is not None:
            column = dataclasses.replace(column, default=self._translator.render(default).sql)
        elif action.args.get("drop"):
            column = dataclasses.replace(column, default=None)
        else:
            raise not_emulated(f"ALTER TABLE {action.sql(READ)}")
        columns = list(table.columns)
        columns[index] = column
        self._rebuild(table, columns)

    def _comment_column(self, table: Table, name: str, comment: str | None) -> None:
        index = _index(table, name)
        columns = list(table.columns)
        columns[index] = dataclasses.replace(columns[index], comment=comment)
        metadata = table.metadata.changed(self._tables.user)
        self._tables.put(
            self._connection,
            dataclasses.replace(table, columns=tuple(columns), metadata=metadata),
        )

    def _rename_column(self, table: Table, action: exp.RenameColumn) -> None:
        index, new = _index(table, action.this.name), action.args["to"].name
        if table.column(new):
            raise StatementError(
                errors.COLUMN_ALREADY_EXISTS, f"The column `{new}` already exists."
            )
        old = table.columns[index]
        self._connection.execute(
            f"ALTER TABLE {table.name.sql} RENAME COLUMN {quoted(old.name)} TO {quoted(new)}"
        )
        columns = list(table.columns)
        columns[index] = dataclasses.replace(old, name=new)
        metadata = table.metadata.changed(self._tables.user)
        self._tables.put(
            self._connection,
            dataclasses.replace(table, columns=tuple(columns), metadata=metadata),
        )

    def _rebuild(self, table: Table, columns: Sequence[Column]) -> None:
        """Give a table other columns. DuckDB can only append one, so the rows move."""
        rebuilt = table.name.renamed(f"{table.name.table}{_REBUILT_SUFFIX}")
        self._tables.create_physical(self._connection, rebuilt, columns)
        kept = [quoted(column.name) for column in columns if table.column(column.name)]
        self._connection.execute(
            f"INSERT INTO {rebuilt.sql} ({', '.join(kept)}) "  # noqa: S608 - names are quoted
            f"SELECT {', '.join(kept)} FROM {table.name.sql}"
        )
        self._connection.execute(f"DROP TABLE {table.name.sql}")
        self._connection.execute(f"ALTER TABLE {rebuilt.sql} RENAME TO {quoted(table.name.table)}")
        metadata = table.metadata.changed(self._tables.user)
        self._tables.put(
            self._connection,
            dataclasses.replace(table, columns=tuple(columns), metadata=metadata),
        )
