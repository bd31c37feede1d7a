"""Files that DuckDB opens for us: by their own name, and without ever fetching anything."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ml.contract.errors import UserError
from ml.data.file_name import printable

if TYPE_CHECKING:
    import duckdb

_OFFLINE: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
}
"""Whatever a file turns out to be, nothing is fetched to read it."""


def offline() -> "duckdb.DuckDBPyConnection":
    """A connection to a database in memory."""
    import duckdb

    return duckdb.connect(config=_OFFLINE)


def text_of(file: Path) -> str:
    """The path, for DuckDB to open. Raises UserError for a name that is not UTF-8."""
    try:
        return os.fsencode(file).decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{printable(file)}: the name is not UTF-8, and DuckDB opens no such file. Rename it."
        ) from error


def exactly(file: Path) -> str:
    """The same where DuckDB would take some characters for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", text_of(file))
