"""INSERT, UPDATE, DELETE, TRUNCATE, MERGE: one transaction each, counted as Databricks counts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from infra.local.sql import errors
from infra.local.sql.assignment import Assignments
from infra.local.sql.definition import refuse_system
from infra.local.sql.duckdb_text import READ
from infra.local.sql.errors import StatementError, not_emulated

if TYPE_CHECKING:
    import duckdb

    from infra.local.catalog.tables import Table
    from infra.local.sql.definition import Definition
    from infra.local.sql.dialect import Translator

Counts = dict[str, int]
"""The one row that a change answers: name of the count and the count."""

_MERGE_COUNTS: Final = {
    "num_updated_rows": "UPDATE",
    "num_deleted_rows": "DELETE",
    "num_inserted_rows": "INSERT",
}


class Changes:
    """Executes the statements that change rows, in the transaction of ``connection``."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        translator: Translator,
        definition: Definition,
    ) -> None:
        self._connection = connection
        self._translator = translator
        self._definition = definition
        self._assignments = Assignments(connection, translator)

    def insert(self, node: exp.Insert) -> Counts:
        """INSERT; the rows inserted."""
        schema = node.this
        target = schema.this if isinstance(schema, exp.Schema) else schema
        table = self._target(target)
        if node.args.get("partition"):
            raise not_emulated("INSERT with a PARTITION clause")
        if node.args.get("where"):
            raise not_emulated("INSERT ... REPLACE WHERE")
        if node.args.get("overwrite"):
            node.set("overwrite", False)
            self._connection.execute(f"DELETE FROM {table.name.sql}")  # noqa: S608 - names are quoted
        inserted = self._insert(node, table)
        return {"num_affected_rows": inserted, "num_inserted_rows": inserted}

    def _insert(self, node: exp.Insert, table: Table) -> int:
        schema, source = node.this, node.expression
        names = [it.name for it in schema.expressions] if isinstance(schema, exp.Schema) else None
        columns = table.columns
        if names is not None:
            columns = tuple(it for name in names if (it := table.column(name)) is not None)
        if not isinstance(source, exp.Query | exp.Values) or (
            names is not None and len(columns) != len(names)
        ):
            return self._run(node)
        by_name = bool(node.args.get("by_name"))
        written = self._assignments.query(source.copy(), columns, by_name=by_name)
        # The rest of the statement as it is, with another query in the place of its own.
        node.set("expression", exp.Var(this=written.sql))
        text = self._translator.render(node).sql
        row = self._connection.execute(text, dict(written.values)).fetchone()
        return int(row[0]) if row else 0

    def update(self, node: exp.Update) -> Counts:
        """UPDATE; the rows changed."""
        table = self._target(node.this)
        self._cast_assigned(node.expressions, table, exp.select().from_(node.this.copy()))
        for assignment in node.expressions:
            _unqualify(assignment)
        return {"num_affected_rows": self._run(node)}

    def delete(self, node: exp.Delete) -> Counts:
        """DELETE; the rows deleted."""
        self._target(node.this)
        return {"num_affected_rows": self._run(node)}

    def truncate(self, node: exp.TruncateTable) -> Counts:
        """TRUNCATE; every row deleted."""
        table = self._target(node.expressions[0])
        self._connection.execute(f"DELETE FROM {table.name.sql}")  # noqa: S608 - names are quoted
        return {}

    def merge(self, node: exp.Merge) -> Counts:
        """MERGE; a target row that two source rows match is an error, as in Delta."""
        table = self._target(node.this)
        if node.args.get("using_cond"):
            raise not_emulated("MERGE with USING (columns)")
        whens = node.args["whens"].expressions
        self._expand_stars(whens, table, node.args["using"])
        self._cast_merged(whens, table, node)
        if _must_match_once(whens):
            self._refuse_ambiguous_match(node)
        node.set("returning", exp.Returning(expressions=[exp.column("merge_action")]))
        translation = self._translator.render(node)
        actions = Counter(
            action
            for (action,) in self._connection.execute(
                translation.sql, dict(translation.values)
            ).fetchall()
        )
        counts = {count: actions[action] for count, action in _MERGE_COUNTS.items()}
        return {"num_affected_rows": sum(counts.values()), **counts}

    def _target(self, target: exp.Expr) -> Table:
        table = self._definition.existing(target)
        refuse_system(table.name)
        if table.is_view:
            raise StatementError(
                errors.EXPECT_TABLE_NOT_VIEW,
                f"`{table.name.full_name}` is a view, and rows of a view cannot be changed.",
            )
        return table

    def _run(self, node: exp.Expr) -> int:
        translation = self._translator.render(node)
        row = self._connection.execute(translation.sql, dict(translation.values)).fetchone()
        return int(row[0]) if row else 0

    def _cast_assigned(self, assignments: list[exp.Expr], table: Table, source: exp.Select) -> None:
        known = [it for it in assignments if table.column(it.this.name) is not None]
        columns = [column for it in known if (column := table.column(it.this.name)) is not None]
        values = self._assignments.values([it.expression for it in known], columns, source)
        for assignment, value in zip(known, values, strict=True):
            assignment.set("expression", value)

    def _cast_merged(self, whens: list[exp.Expr], table: Table, node: exp.Merge) -> None:
        inserted = exp.select().from_(node.args["using"].copy())
        both = exp.select().from_(node.this.copy()).join(node.args["using"].copy(), on="TRUE")
        for when in whens:
            then = when.args["then"]
            match then:
                case exp.Update():
                    self._cast_assigned(then.expressions, table, both.copy())
                case exp.Insert(this=exp.Tuple() as names, expression=exp.Tuple() as values):
                    columns = [table.column(it.name) for it in names.expressions]
                    known = [it for it in columns if it is not None]
                    if len(known) == len(values.expressions):
                        values.set(
                            "expressions",
                            self._assignments.values(values.expressions, known, inserted.copy()),
                        )

    def _expand_stars(self, whens: list[exp.Expr], table: Table, source: exp.Expr) -> None:
        """Write `UPDATE SET *` and `INSERT *` out: every target column from its namesake."""
        alias = source.alias_or_name
        columns = [exp.column(column.name, quoted=True) for column in table.columns]
        values = [exp.column(column.name, table=alias, quoted=True) for column in table.columns]
        for when in whens:
            then = when.args["then"]
            match then:
                case exp.Update() if any(isinstance(e, exp.Star) for e in then.expressions):
                    assignments = [
                        exp.EQ(this=column.copy(), expression=value.copy())
                        for column, value in zip(columns, values, strict=True)
                    ]
                    then.set("expressions", assignments)
                case exp.Update():
                    for assignment in then.expressions:
                        _unqualify(assignment)
                case exp.Insert(this=exp.Star()):
                    then.set("this", exp.Tuple(expressions=[c.copy() for c in columns]))
                    then.set("expression", exp.Tuple(expressions=[v.copy() for v in values]))
                case exp.Insert(this=exp.Tuple() as names):
                    for column in names.expressions:
                        column.set("table", None)

    def _refuse_ambiguous_match(self, node: exp.Merge) -> None:
        target = node.this.copy()
        name = target.alias or target.name
        matched = (
            exp.select(exp.Literal.number(1))
            .from_(target)
            .join(node.args["using"].copy(), on=node.args["on"].copy(), join_type="inner")
            .group_by(exp.column("rowid", table=name))
            .having("COUNT(*) > 1")
            .limit(1)
        )
        translation = self._translator.render(matched)
        if self._connection.execute(translation.sql, dict(translation.values)).fetchone():
            raise StatementError(
                errors.AMBIGUOUS_MERGE,
                "Cannot perform Merge as multiple source rows matched and attempted to modify the "
                "same target row in the Delta table in possibly conflicting ways.",
            )


def _must_match_once(whens: list[exp.Expr]) -> bool:
    """Whether a second match of a row is an error: not for a lone unconditional DELETE."""
    matched = [when for when in whens if when.args.get("matched")]
    if len(matched) == 1 and matched[0].args.get("condition") is None:
        then = matched[0].args["then"]
        return not (isinstance(then, exp.Var | exp.Delete) and then.name.upper() != "UPDATE")
    return bool(matched)


def _unqualify(assignment: exp.Expr) -> None:
    """DuckDB names the changed column alone: `SET t.a = 1` becomes `SET a = 1`."""
    column = assignment.this
    if not isinstance(column, exp.Column):
        raise not_emulated(f"Assigning to {column.sql(READ)}")
    for part in ("table", "db", "catalog"):
        column.set(part, None)
