"""Whose grants are whose: minilake keeps them by name, and a name may be another's tomorrow.

A dropped securable takes its grants along, a renamed table keeps them, and so does a table that
CREATE OR REPLACE replaces (https://docs.databricks.com/aws/en/tables/operations/drop-table), but no
view.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from infra.local.catalog.tables import TableName
from infra.local.emulator import state_of
from infra.local.storage.database import SYSTEM_CATALOG

if TYPE_CHECKING:
    from infra.local.catalog.models import RegisteredModels
    from infra.local.catalog.namespaces import Namespaces
    from infra.local.catalog.tables import Tables


class GrantHolders:
    """What each name stood for when its grants were looked at last, kept in `document`."""

    def __init__(
        self,
        document: dict[str, Any],
        names: Namespaces,
        tables: Tables,
        models: RegisteredModels,
    ) -> None:
        self._document = document
        self._names = names
        self._tables = tables
        self._models = models

    async def settle(self, kind: str, name: str) -> bool:
        """Leave a securable, and what it lies in, the grants that are its own.

        False where there is no such securable. `kind` is one of `PRIVILEGES`, but METASTORE.
        """
        parts = name.split(".")
        above = [("CATALOG", parts[0]), ("SCHEMA", ".".join(parts[:2]))][: len(parts) - 1]
        for one, its_name in (*above, (kind, name)):
            identity = await self._identity(one, its_name)
            if identity is None:
                return False
            self._settle((one, its_name), identity)
        return True

    def _settle(self, key: tuple[str, str], identity: str) -> None:
        held = state_of("grants", "grants")
        holders: dict[str, str] = self._document.setdefault("holders", {})
        # Grants without a securable of their name: of what was dropped, or was renamed.
        left: dict[str, Any] = self._document.setdefault("left", {})
        now = "\t".join(key)
        if holders.get(now, identity) != identity and key in held:
            left[holders[now]] = held.pop(key)
        for before in [it for it, holder in holders.items() if holder == identity and it != now]:
            kind, _, name = before.partition("\t")
            if (kind, name) in held:
                left[identity] = held.pop((kind, name))
            del holders[before]
        if identity in left:
            held[key] = left.pop(identity)
        holders[now] = identity

    async def _identity(self, kind: str, name: str) -> str | None:
        """What no other securable of that kind ever had; None where there is none."""
        catalog, _, schema = name.partition(".")
        match kind:
            case "TABLE":
                table = self._tables.find(self._tables.database.cursor(), TableName.parse(name))
                return table.metadata.holder if table else None
            case "CATALOG" if catalog == SYSTEM_CATALOG:
                return name
            case "SCHEMA" if catalog == SYSTEM_CATALOG:
                return name if self._names.has_schema(catalog, schema) else None
            case "CATALOG" | "SCHEMA" | "VOLUME":
                record = state_of("unity_catalog", f"{kind.lower()}s").get(name)
            case _:
                record = state_of("unity_catalog", "functions").get(name)
                if record is None:
                    model = await asyncio.to_thread(self._models.model, name)
                    record = {"created_at": model.creation_timestamp} if model else None
        return None if record is None else f"{name} of {record.get('created_at')}"
