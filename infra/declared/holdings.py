"""What the platform stack creates that holds data, and what Terraform's state knows of it.

Pure values; knows no cdktf. The real provider creates a managed table by `CREATE OR REPLACE TABLE`:
one that exists, but is not in the state, would lose its rows in an apply, and `prevent_destroy`
sees no destruction in that. A volume's creation is refused instead, half-way through the apply.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from infra.declared.environment import Environment
from infra.declared.models import model_id, models_of
from infra.declared.platform import Held, Owned
from infra.declared.tables import VOLUMES, Volume, tables
from ml.contract.tables import Table

Kind = Literal["catalog", "schema", "secret scope", "table", "volume", "model"]

_TYPES: Final[Mapping[Kind, str]] = {
    "catalog": "databricks_catalog",
    "schema": "databricks_schema",
    "secret scope": "databricks_secret_scope",
    "model": "databricks_registered_model",
    "table": "databricks_sql_table",
    "volume": "databricks_volume",
}
_REFUSED: Final = "its creation would be refused half-way (already exists)"
_CONSEQUENCES: Final[Mapping[Kind, str]] = {
    "catalog": _REFUSED,
    "schema": _REFUSED,
    "secret scope": _REFUSED,
    "table": "Terraform's provider creates it by CREATE OR REPLACE TABLE, which erases its rows",
    "volume": _REFUSED,
    "model": f"{_REFUSED}, as after a training before the first deployment of the platform",
}


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What holds data, or what such things lie in; `address` is its resource's in the platform
    stack."""

    kind: Kind
    address: str
    name: str
    """With all its levels; also what Terraform imports it by."""

    adopt: bool = False
    """Whether the file says to import it."""

    section: str = ""
    """Its table in the environment file, where that is not called as it is."""

    @property
    def key(self) -> str:
        """Its table in the environment file; the models have one together."""
        if self.kind in {"catalog", "secret scope"}:
            return f"[platform.{self.kind.replace(' ', '_')}]"
        if self.kind == "model":
            return "[platform.models]"
        # The schema of the models has one key, whatever it is called.
        name = self.section or self.name.rpartition(".")[2]
        return f"[platform.{self.kind}s.{name}]"

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
            address=f"{_TYPES['model']}.{model_id(name)}",
            name=environment.full_model_name(name),
        )
        for name in models_of(environment)
    )


def containers(environment: Environment) -> tuple[Holding, ...]:
    """The catalog, the schemas and the secret scope that the platform stack declares."""
    platform, schemas = environment.platform, environment.platform.schemas
    named: tuple[tuple[Kind, str, str, Owned, str], ...] = (
        ("catalog", "catalog", environment.catalog, platform.catalog, ""),
        *(
            ("schema", name, f"{environment.catalog}.{name}", its, section)
            for name, its, section in (
                ("bronze", schemas.bronze, ""),
                ("silver", schemas.silver, ""),
                ("gold", schemas.gold, ""),
                (environment.models_schema, schemas.models, "models"),
            )
        ),
        ("secret scope", "secrets", environment.secret_scope_name, platform.secret_scope, ""),
    )
    return tuple(
        Holding(kind=kind, address=f"{_TYPES[kind]}.{id_}", name=name, section=section)
        for kind, id_, name, its, section in named
        if its.create
    )


def _declared(
    environment: Environment,
) -> Mapping[Literal["table", "volume"], tuple[Table, ...] | tuple[Volume, ...]]:
    return {"volume": VOLUMES, "table": tables(watched=environment.monitoring is not None)}


def held(environment: Environment, it: Table | Volume) -> Held:
    """What the file says about a table or a volume."""
    platform = environment.platform
    found: Held = getattr(platform.volumes if isinstance(it, Volume) else platform.tables, it.name)
    return found


def holdings(environment: Environment) -> tuple[Holding, ...]:
    """The tables and the volume that the platform stack declares, whether they exist or not."""
    # The logical ids are the objects' own names: infra/constructs/catalog.py
    return tuple(
        Holding(
            kind=kind,
            address=f"{_TYPES[kind]}.{it.name}",
            name=it.full_name(environment.catalog),
            adopt=held(environment, it).adopt,
        )
        for kind, its in _declared(environment).items()
        for it in its
        if held(environment, it).create
    )


def left_alone(environment: Environment) -> tuple[str, ...]:
    """The addresses of what `create = false` refers to.

    Should the state know it from before, it is forgotten: a resource that only leaves the code
    would be destroyed, and `prevent_destroy` leaves with it.
    """
    platform = environment.platform
    schemas = platform.schemas
    owned = {
        "databricks_catalog.catalog": platform.catalog,
        "databricks_schema.bronze": schemas.bronze,
        "databricks_schema.silver": schemas.silver,
        "databricks_schema.gold": schemas.gold,
        f"databricks_schema.{environment.models_schema}": schemas.models,
        **{
            f"{_TYPES[kind]}.{it.name}": held(environment, it)
            for kind, its in _declared(environment).items()
            for it in its
        },
        **{
            f"{_TYPES['model']}.{model_id(name)}": platform.models
            for name in models_of(environment)
        },
        "databricks_sql_endpoint.warehouse": platform.warehouse,
        "databricks_permissions.warehouse-permissions": platform.warehouse,
        "databricks_secret_scope.secrets": platform.secret_scope,
    }
    return tuple(address for address, it in owned.items() if not it.create)


def known(state: Mapping[str, Any]) -> Iterator[Known]:
    """What of these kinds is in a state, as `terraform state pull` gives it."""
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
    Terraform that let the state know it, should it exist already. What the file adopts is imported,
    where the state knows neither its address nor its name."""
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
        elif not holding.adopt:
            found.append((holding, (import_it,)))
    return tuple(found)


def is_adoptable(holding: Holding, commands: tuple[str, ...]) -> bool:
    """Whether `adopt = true` in the file does what these commands do; tables and volumes have such
    a key."""
    return (
        holding.kind in {"table", "volume"}
        and len(commands) == 1
        and commands[0].startswith("import ")
    )


def _folded(name: str) -> str:
    return name.lower()  # as Unity Catalog keeps names
