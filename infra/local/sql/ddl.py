"""CREATE, ALTER, DROP, COMMENT: DuckDB's table and Unity Catalog's metadata in one transaction.

Statements: https://docs.databricks.com/aws/en/sql/language-manual/sql-ref-syntax-ddl-create-table-using.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from infra.local.catalog.names import rule_broken_by
from infra.local.catalog.tables import Column, Table, TableName
from infra.local.sql import errors
from infra.local.sql.dialect import READ
from infra.local.sql.errors import StatementError, not_emulated
from infra.local.storage import datatypes
from infra.local.storage.database import SYSTEM_CATALOG, quoted
from infra.local.storage.metadata import TableMetadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb

    from infra.local.catalog.namespaces import Namespaces
    from infra.local.catalog.tables import Tables
    from infra.local.sql.dialect import Translator

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


class Definitions:
    """Executes the statements that define things, in the transaction of ``connection``."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        translator: Translator,
        tables: Tables,
        namespaces: Namespaces,
    ) -> None:
        self._connection = connection
        self._translator = translator
        self._tables = tables
        self._namespaces = namespaces

    # Names -----------------------------------------------------------------------------------

    def name(self, table: exp.Expr) -> TableName:
        """The three-level name of a table that a statement defines or changes."""
        if not isinstance(table, exp.Table):
            raise not_emulated("A name that is not written as a name")
        complete = self._translator.qualify(table.copy())
        return TableName.of(complete.catalog, complete.db, complete.name)

    def described(self, table: exp.Expr) -> Table:
        """The table or view; TABLE_OR_VIEW_NOT_FOUND if there is none."""
        name = self.name(table)
        found = self._tables.find(self._connection, name)
        if found is None:
            raise errors.table_not_found(name.full_name)
        return found

    def existing(self, table: exp.Expr) -> Table:
        """The table or view to change; the platform's own are refused."""
        found = self.described(table)
        refuse_system(found.name)
        return found

    def _new(self, table: exp.Expr) -> TableName:
        name = self.name(table)
        refuse_system(name)
        self._require_schema(name.catalog, name.schema)
        _check_name(name.table)
        return name

    def _require_schema(self, catalog: str, schema: str) -> None:
        if not self._namespaces.has_catalog(catalog):
            raise StatementError(errors.CATALOG_NOT_FOUND, f"Catalog '{catalog}' was not found.")
        if not self._namespaces.has_schema(catalog, schema):
            raise StatementError(
                errors.SCHEMA_NOT_FOUND,
                f"The schema `{catalog}`.`{schema}` cannot be found. Verify the spelling and "
                "correctness of the schema and catalog.",
            )

    # CREATE ----------------------------------------------------------------------------------

    def create(self, node: exp.Create) -> None:
        match node.kind:
            case "TABLE":
                self._create_table(node)
            case "VIEW":
                self._create_view(node)
            case "SCHEMA" | "DATABASE":
                self._create_schema(node)
            case kind:
                raise not_emulated(f"CREATE {kind}")

    def _create_table(self, node: exp.Create) -> None:
        schema = node.this
        target = schema.this if isinstance(schema, exp.Schema) else schema
        name = self._new(target)
        options = _options(node)
        existing = self._tables.find(self._connection, name)
        if existing is not None:
            if node.args.get("exists"):
                return
            if not node.args.get("replace"):
                raise StatementError(
                    errors.TABLE_OR_VIEW_ALREADY_EXISTS,
                    f"Cannot create table or view `{name.schema}`.`{name.table}` because it "
                    "already exists. Choose a different name, drop or replace the existing "
                    "object, or add the IF NOT EXISTS clause to tolerate pre-existing objects.",
                )
            if existing.is_view:
                raise _expected_table(existing)
        if query := node.expression:
            columns = self._fill(name, query, schema)
        elif isinstance(schema, exp.Schema):
            columns = _declared_columns(schema)
            self._tables.create_physical(self._connection, name, columns)
        else:
            raise not_emulated("CREATE TABLE without columns and without a query")
        metadata = TableMetadata.new(self._tables.user, **options)
        _require_columns(columns, metadata.partitioned_by, metadata.clustered_by)
        self._tables.put(
            self._connection, Table(name=name, columns=tuple(columns), metadata=metadata)
        )

    def _fill(self, name: TableName, query: exp.Expr, schema: exp.Expr) -> list[Column]:
        if isinstance(schema, exp.Schema) and schema.expressions:
            raise not_emulated("CREATE TABLE with a column list and a query")
        translation = self._translator.render(query)
        self._connection.execute(
            f"CREATE OR REPLACE TABLE {name.sql} AS {translation.sql}", dict(translation.values)
        )
        created = self._tables.find(self._connection, name)
        assert created is not None  # noqa: S101 - the statement above created it
        return [dataclasses.replace(c, comment=None, declared_type=None) for c in created.columns]

    def _create_view(self, node: exp.Create) -> None:
        schema = node.this
        target = schema.this if isinstance(schema, exp.Schema) else schema
        name = self._new(target)
        existing = self._tables.find(self._connection, name)
        if existing is not None:
            if node.args.get("exists"):
                return
            if not existing.is_view:
                raise StatementError(
                    errors.EXPECT_VIEW_NOT_TABLE, f"`{name.full_name}` is a table, not a view."
                )
            if not node.args.get("replace"):
                raise StatementError(
                    errors.TABLE_OR_VIEW_ALREADY_EXISTS,
                    f"Cannot create view `{name.schema}`.`{name.table}` because it already exists.",
                )
        aliases = schema.expressions if isinstance(schema, exp.Schema) else []
        comments = {
            alias.name.lower(): comment for alias in aliases if (comment := _comment_of(alias))
        }
        metadata = TableMetadata.new(
            self._tables.user,
            **{
                **_options(node),
                "table_type": "VIEW",
                "view_definition": node.meta["query"],
            },
        )
        self._define_view(name, node.expression, [alias.name for alias in aliases], metadata)
        created = self._tables.find(self._connection, name)
        assert created is not None  # noqa: S101 - the statement above created it
        columns = (
            dataclasses.replace(column, comment=comments.get(column.name.lower()))
            for column in created.columns
        )
        self._tables.put(self._connection, dataclasses.replace(created, columns=tuple(columns)))

    def _define_view(
        self,
        name: TableName,
        query: exp.Expr,
        aliases: Sequence[str],
        metadata: TableMetadata,
    ) -> None:
        translation = self._translator.render(query)
        if translation.values:
            raise not_emulated("A parameter marker in the query of a view")
        renamed = f" ({', '.join(quoted(alias) for alias in aliases)})" if aliases else ""
        self._connection.execute(f"CREATE OR REPLACE VIEW {name.sql}{renamed} AS {translation.sql}")
        self._tables.metadata.put(
            self._connection, name.database, name.schema, name.table, metadata
        )

    def _create_schema(self, node: exp.Create) -> None:
        catalog, schema = self._schema_name(node.this)
        if not self._namespaces.has_catalog(catalog):
            raise StatementError(errors.CATALOG_NOT_FOUND, f"Catalog '{catalog}' was not found.")
        if catalog == SYSTEM_CATALOG:
            raise system_is_read_only()
        _check_name(schema)
        if self._namespaces.has_schema(catalog, schema):
            if node.args.get("exists"):
                return
            raise StatementError(
                errors.SCHEMA_ALREADY_EXISTS, f"The schema `{catalog}`.`{schema}` already exists."
            )
        comment = _options(node).get("comment")
        self._namespaces.create_schema(
            self._connection, catalog, schema, str(comment) if comment is not None else None
        )

    def _schema_name(self, table: exp.Expr) -> tuple[str, str]:
        session = self._translator.session
        catalog = (table.text("catalog") or session.catalog).lower()
        return catalog, table.text("db").lower()

    # DROP ------------------------------------------------------------------------------------

    def drop(self, node: exp.Drop) -> None:
        match node.kind:
            case "TABLE" | "VIEW":
                self._drop_table(node)
            case "SCHEMA" | "DATABASE":
                self._drop_schema(node)
            case kind:
                raise not_emulated(f"DROP {kind}")

    def _drop_table(self, node: exp.Drop) -> None:
        for target in node.args["tables"]:
            name = self.name(target)
            table = self._tables.find(self._connection, name)
            if table is None:
                if node.args.get("exists"):
                    continue
                raise errors.table_not_found(name.full_name)
            refuse_system(name)
            if table.is_view and node.kind == "TABLE":
                raise _expected_table(table)
            if not table.is_view and node.kind == "VIEW":
                raise StatementError(
                    errors.EXPECT_VIEW_NOT_TABLE,
                    f"`{name.full_name}` is a table, not a view. Please use DROP TABLE instead.",
                )
            self._tables.drop(self._connection, table)

    def _drop_schema(self, node: exp.Drop) -> None:
        catalog, schema = self._schema_name(node.args["tables"][0])
        if catalog == SYSTEM_CATALOG:
            raise system_is_read_only()
        if not self._namespaces.has_schema(catalog, schema):
            if node.args.get("exists"):
                return
            raise StatementError(
                errors.SCHEMA_NOT_FOUND, f"The schema `{catalog}`.`{schema}` cannot be found."
            )
        if not node.args.get("cascade") and self._tables.list(self._connection, catalog, schema):
            raise StatementError(
                errors.SCHEMA_NOT_EMPTY,
                f"Cannot drop the schema `{catalog}`.`{schema}` because it contains objects. "
                "Use DROP SCHEMA ... CASCADE to drop the schema and all its objects.",
            )
        self._namespaces.drop_schema(self._connection, catalog, schema)

    # COMMENT ON ------------------------------------------------------------------------------

    def comment(self, node: exp.Comment) -> None:
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

    # ALTER -----------------------------------------------------------------------------------

    def alter(self, node: exp.Alter) -> None:
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
                self._change(table, properties={**table.metadata.properties, **_properties(action)})
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
                _require_columns(table.columns, columns)
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
        column = _declared_column(definition)
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
        elif (data_type := action.args.get("dtype")) is not None:
            declared = _data_type(data_type)
            column = dataclasses.replace(
                column, type=declared, declared_type=_spelling(data_type, declared)
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


def refuse_system(name: TableName) -> None:
    """System tables are written by the platform alone."""
    if name.catalog == SYSTEM_CATALOG:
        raise system_is_read_only()


def system_is_read_only() -> StatementError:
    return StatementError(
        errors.INSUFFICIENT_PERMISSIONS,
        "Insufficient privileges: the catalog `system` is read-only.",
    )


def _expected_table(table: Table) -> StatementError:
    return StatementError(
        errors.EXPECT_TABLE_NOT_VIEW,
        f"`{table.name.full_name}` is a view, not a table. Please use DROP VIEW instead.",
    )


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


def _require_columns(columns: Iterable[Column], *groups: Sequence[str]) -> None:
    known = {column.name.lower() for column in columns}
    for name in (name for group in groups for name in group):
        if name.lower() not in known:
            raise StatementError(
                errors.UNRESOLVED_COLUMN, f"A column with name `{name}` cannot be resolved."
            )


def _actions(node: exp.Alter) -> list[exp.Expr]:
    return list(node.args.get("actions") or [])


def _options(node: exp.Create) -> dict[str, object]:
    """Comment, properties, partitioning and clustering of a CREATE."""
    options: dict[str, object] = {}
    properties: dict[str, str] = {}
    for item in node.args["properties"].expressions if node.args.get("properties") else ():
        match item:
            case exp.SchemaCommentProperty():
                options["comment"] = item.name
            case exp.FileFormatProperty():
                if item.name.upper() != "DELTA":
                    raise not_emulated(f"USING {item.name}")
            case exp.PartitionedByProperty():
                options["partitioned_by"] = tuple(c.name for c in item.this.expressions)
            case exp.ClusterProperty() | exp.Cluster():
                options["clustered_by"] = tuple(c.name for c in item.expressions)
            case exp.Property() if type(item) is exp.Property:
                properties.update(_property(item))
            case _:
                raise not_emulated(f"The clause {item.sql(READ)}")
    return {**options, "properties": properties}


def _property(item: exp.Property) -> dict[str, str]:
    value = item.args["value"]
    return {item.this.sql(READ).replace("`", "").strip("'"): value.name or value.sql(READ)}


def _properties(action: exp.Expr) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in action.find_all(exp.Property):
        if type(item) is exp.Property:
            found.update(_property(item))
    return found


def _check_name(name: str) -> None:
    if broken := rule_broken_by(name):
        raise StatementError(errors.INVALID_NAME, broken)


def _declared_columns(schema: exp.Schema) -> list[Column]:
    columns: list[Column] = []
    required: set[str] = set()
    for item in schema.expressions:
        match item:
            case exp.ColumnDef():
                columns.append(_declared_column(item))
            case exp.PrimaryKey() | exp.Constraint() if item.find(exp.PrimaryKey):
                # Informational in Databricks: not enforced, but its columns are NOT NULL.
                key = item.find(exp.PrimaryKey)
                required |= {column.name.lower() for column in key.expressions} if key else set()
            case exp.ForeignKey():
                continue
            case _:
                raise not_emulated(f"The table constraint {item.sql(READ)}")
    seen: set[str] = set()
    for column in columns:
        if column.name.lower() in seen:
            raise StatementError(
                errors.COLUMN_ALREADY_EXISTS, f"The column `{column.name}` already exists."
            )
        seen.add(column.name.lower())
    return [
        dataclasses.replace(column, nullable=False) if column.name.lower() in required else column
        for column in columns
    ]


def _declared_column(definition: exp.ColumnDef) -> Column:
    if definition.args.get("kind") is None:
        raise StatementError(
            errors.PARSE_SYNTAX_ERROR, f"The column `{definition.name}` has no type."
        )
    data_type = _data_type(definition.args["kind"])
    nullable, default = True, None
    for constraint in definition.args.get("constraints") or ():
        match constraint.kind:
            case exp.NotNullColumnConstraint():
                nullable = bool(constraint.kind.args.get("allow_null"))
            case exp.PrimaryKeyColumnConstraint():
                nullable = False
            case exp.DefaultColumnConstraint():
                default = constraint.kind.this.sql("duckdb")
            case exp.CommentColumnConstraint():
                pass
            case _:
                raise not_emulated(f"The column constraint {constraint.sql(READ)}")
    return Column(
        name=definition.name,
        type=data_type,
        nullable=nullable,
        default=default,
        comment=_comment_of(definition),
        declared_type=_spelling(definition.args["kind"], data_type),
    )


def _data_type(node: exp.DataType) -> datatypes.ColumnType:
    if not isinstance(node, exp.DataType) or node.is_type(exp.DType.USERDEFINED, exp.DType.VARIANT):
        raise not_emulated(f"The type {node.sql(READ)}")
    return datatypes.from_duckdb(node.sql("duckdb"))


def _spelling(node: exp.DataType, data_type: datatypes.ColumnType) -> str | None:
    """What was declared where it says more than DuckDB keeps: `varchar(10)`."""
    spelled = node.sql(READ).lower()
    return spelled if data_type.name == "STRING" and "(" in spelled else None


def _comment_of(definition: exp.Expr) -> str | None:
    found = definition.find(exp.CommentColumnConstraint)
    return found.name if found else None
