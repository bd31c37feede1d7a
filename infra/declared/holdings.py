"""What the platform stack creates that holds data, and what Terraform's state knows of it.

Pure values; knows no cdktf. The real provider creates a managed table by `CREATE OR REPLACE TABLE`:
one that exists, but is not in the state, would lose its rows in an apply, and `prevent_destroy`
sees no destruction in that. A volume's creation is refused instead, half-way through the apply.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from infra.declared.environment import Environment
from infra.declared.models import MODELS
from infra.declared.tables import FILM_FILES, TABLES

_TYPES: Final = {
    "model": "databricks_registered_model",
    "table": "databricks_sql_table",
    "volume": "databricks_volume",
}
_CONSEQUENCES: Final = {
    "table": "Terraform's provider creates it by CREATE OR REPLACE TABLE, which erases its rows",
    "volume": "its creation would be refused half-way (already exists)",
    "model": "its creation would be refused half-way (already exists), as after a training before "
    "the first deployment of the platform",
}


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A table, a volume or a registered model; `address` is its resource's in the platform
    stack."""

    kind: Literal["table", "volume", "model"]
    address: str
    name: str
    """With all its levels; also what Terraform imports it by."""

    def problem(self, unread: str = "") -> str:
        """What an apply would do to it; `unread` is why there is no state to know it."""
        return (
            f"this {self.kind} exists, and Terraform's state does not know it as {self.address}"
            + (f" ({unread})" if unread else "")
            + f": {_CONSEQUENCES[self.kind]}."
        )


@dataclass(frozen=True, kw_only=True)
class Known:
    """One of them in a state; a tainted one is created again by the next apply."""

    address: str
    name: str
    tainted: bool = False


def models(environment: Environment) -> tuple[Holding, ...]:
    """The registered models that the platform stack declares; their versions hold no data of it."""
    if not environment.platform.models.create:
        return ()
    return tuple(
        Holding(
            kind="model",
            address=f"{_TYPES['model']}.{name}",
            name=environment.full_model_name(name),
        )
        for name in MODELS
    )


def holdings(environment: Environment) -> tuple[Holding, ...]:
    """The tables and the volume that the platform stack declares, whether they exist or not."""
    # The logical ids are the objects' own names: infra/constructs/catalog.py
    return (
        Holding(
            kind="volume",
            address=f"{_TYPES['volume']}.{FILM_FILES.name}",
            name=FILM_FILES.full_name(environment.catalog),
        ),
        *(
            Holding(
                kind="table",
                address=f"{_TYPES['table']}.{table.name}",
                name=table.full_name(environment.catalog),
            )
            for table in TABLES
        ),
    )


def known(state: Mapping[str, Any]) -> Iterator[Known]:
    """The tables, volumes and models of a state, as `terraform state pull` gives it."""
    for resource in state.get("resources") or ():
        if resource.get("mode") == "managed" and resource.get("type") in _TYPES.values():
            for instance in resource.get("instances") or ():
                if "deposed" not in instance:
                    yield Known(
                        address=f"{resource['type']}.{resource['name']}",
                        name=str(instance["attributes"].get("id")),
                        tainted=instance.get("status") == "tainted",
                    )


def created(
    environment: Environment,
    known: Iterable[Known],
    declared: Callable[[Environment], tuple[Holding, ...]] = holdings,
) -> tuple[tuple[Holding, tuple[str, ...]], ...]:
    """What of `declared` an apply would create, or destroy and create; each with the commands of
    Terraform that let the state know it, should it exist already."""
    by_address = {it.address: it for it in known}
    addresses = {_folded(it.name): it.address for it in by_address.values()}
    found: list[tuple[Holding, tuple[str, ...]]] = []
    for holding in declared(environment):
        there = by_address.get(holding.address)
        import_it = f"import {holding.address} {holding.name}"
        if there and _folded(there.name) == _folded(holding.name):
            if there.tainted:
                found.append((holding, (f"untaint {holding.address}",)))
        elif there:
            found.append((holding, (f"state rm {holding.address}", import_it)))
        elif elsewhere := addresses.get(_folded(holding.name)):
            found.append((holding, (f"state mv {elsewhere} {holding.address}",)))
        else:
            found.append((holding, (import_it,)))
    return tuple(found)


def _folded(name: str) -> str:
    return name.lower()  # as Unity Catalog keeps names
