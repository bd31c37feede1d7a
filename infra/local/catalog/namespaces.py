"""Catalogs and schemas: minilake's registry, with a schema of DuckDB for each."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Final

from minilake.config import settings

from infra.local.catalog.names import inside
from infra.local.emulator import state_of
from infra.local.storage.database import SYSTEM_CATALOG, Database, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from infra.local.catalog.tables import Tables

SYSTEM_SCHEMAS: Final = ("serving",)


class Namespaces:
    """What exists above tables. ``save`` is called after every change."""

    def __init__(
        self, database: Database, tables: Tables, user: str, save: Callable[[], None]
    ) -> None:
        self._database = database
        self._tables = tables
        self.user = user
        self._save = save

    def catalogs(self) -> list[str]:
        """The names of all catalogs, sorted; `system` is one."""
        return sorted([*state_of("unity_catalog", "catalogs"), SYSTEM_CATALOG])

    def schemas(self, catalog: str) -> list[str]:
        """The names of a catalog's schemas, sorted; none of a catalog that there is not."""
        if catalog == SYSTEM_CATALOG:
            return list(SYSTEM_SCHEMAS)
        return sorted(
            schema["name"]
            for schema in state_of("unity_catalog", "schemas").values()
            if schema["catalog_name"] == catalog
        )

    def has_catalog(self, catalog: str) -> bool:
        """Whether there is such a catalog."""
        return catalog == SYSTEM_CATALOG or catalog in state_of("unity_catalog", "catalogs")

    def has_schema(self, catalog: str, schema: str) -> bool:
        """Whether there is such a schema in such a catalog."""
        if catalog == SYSTEM_CATALOG:
            return schema in SYSTEM_SCHEMAS
        return f"{catalog}.{schema}" in state_of("unity_catalog", "schemas")

    def create_schema(
        self,
        connection: duckdb.DuckDBPyConnection,
        catalog: str,
        schema: str,
        comment: str | None = None,
    ) -> None:
        """Create a schema in an existing catalog."""
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(catalog)}.{quoted(schema)}")
        now = int(time.time() * 1000)
        state_of("unity_catalog", "schemas")[f"{catalog}.{schema}"] = {
            "name": schema,
            "catalog_name": catalog,
            "full_name": f"{catalog}.{schema}",
            "comment": comment,
            "properties": {},
            "owner": self.user,
            "created_at": now,
            "updated_at": now,
        }
        self._save()

    def drop_schema(self, connection: duckdb.DuckDBPyConnection, catalog: str, schema: str) -> None:
        """Drop a schema with everything in it."""
        connection.execute(f"DROP SCHEMA IF EXISTS {quoted(catalog)}.{quoted(schema)} CASCADE")
        self._tables.metadata.delete_schema(connection, catalog, schema)
        full_name = f"{catalog}.{schema}"
        state_of("unity_catalog", "schemas").pop(full_name, None)
        volumes = state_of("unity_catalog", "volumes")
        for volume in [name for name in volumes if name.startswith(f"{full_name}.")]:
            del volumes[volume]
        # minilake takes a folder for a volume, so one that stays would come back.
        volume_files = inside(settings.data_dir / "volumes", catalog, schema)
        shutil.rmtree(volume_files, ignore_errors=True)
        self._save()
