"""Rows that are added to a table once: a retry adds what is missing, and changes nothing.

The rows travel as one parameter of JSON texts, which the statement casts to the columns' types.
"""

import json
from collections.abc import Mapping, Sequence

from ml.contract.tables import Table


def addition(table: Table, *key: str) -> str:
    """The statement that adds `:rows` to `:table` whose ``key`` columns are not there yet."""
    names = [column.name for column in table.columns]
    fields = ", ".join(f"{name}: STRING" for name in names)
    values = ", ".join(f"CAST(given.{it.name} AS {it.type}) AS {it.name}" for it in table.columns)
    same = " AND ".join(f"known.{name} = arriving.{name}" for name in key)
    return f"""
MERGE INTO IDENTIFIER(:table) AS known
USING (
  SELECT {values}
  FROM (SELECT explode(from_json(:rows, 'ARRAY<STRUCT<{fields}>>')) AS given)
) AS arriving
ON {same}
WHEN NOT MATCHED THEN INSERT ({", ".join(names)})
VALUES ({", ".join(f"arriving.{name}" for name in names)})
"""  # noqa: S608 - the columns are constants, the values parameters


def as_texts(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows in JSON, each value as a text; what is None stays so."""
    return json.dumps(
        [
            {name: None if value is None else str(value) for name, value in row.items()}
            for row in rows
        ]
    )
