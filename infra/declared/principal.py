"""Who may do what: principals, and the roles that an environment file gives to them."""

from collections.abc import Iterator
from typing import Final

from pydantic import Field
from pydantic_core import InitErrorDetails

from infra.declared.declaration import Declaration, Table, problem, read

PRINCIPAL_KINDS: Final = ("group", "user", "service_principal")


class Principal(Declaration):
    """A group, a user or a service principal."""

    group: str | None = Field(default=None, min_length=1)
    user: str | None = Field(default=None, min_length=1)
    """The name that the user logs in with, an e-mail address."""

    service_principal: str | None = Field(default=None, min_length=1)
    """The application id."""

    @property
    def name(self) -> str:
        """What Unity Catalog and secret scopes call it, whatever its kind."""
        return self.group or self.user or self.service_principal or ""

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """Exactly one of the kinds is named."""
        yield from super().disagreements(table)
        named = [kind for kind in PRINCIPAL_KINDS if read(table, kind) is not None]
        if len(named) != 1:
            yield problem(
                (),
                None,
                f"exactly one of {', '.join(PRINCIPAL_KINDS)}",
                "name one principal, and write a table for each: { group = ... }, { user = ... }",
            )


class Roles(Declaration):
    """The roles of this project; what each may do is in `grants.py`."""

    deployer: Principal | None = Field(default=None, examples=['{ service_principal = "..." }'])
    """Applies the stacks. It owns what it creates; the role matters where others do as well."""

    endpoint_creator: Principal | None = Field(
        default=None, examples=['{ service_principal = "..." }']
    )
    """Applies the serving stack. An endpoint reads models and writes its tables as this identity,
    for ever: it cannot be changed (docs/reference/serving.md#creator)."""

    trainers: tuple[Principal, ...] = Field(default=(), strict=False)
    """Ingest films and register model versions."""

    callers: tuple[Principal, ...] = Field(default=(), strict=False)
    """Send films to the endpoint of the arms."""

    readers: tuple[Principal, ...] = Field(default=(), strict=False)
    """Look at films and give verdicts. They see neither labels nor predictions."""

    reading_room: Principal | None = Field(default=None, examples=['{ service_principal = "..." }'])
    """Runs the reading room for the readers that a proxy signs in. It sees predictions, in order
    to draw films, so that no reader needs to."""

    analysts: tuple[Principal, ...] = Field(default=(), strict=False)
    """Read the views, never the films in the payload."""

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """No role names a principal twice."""
        yield from super().disagreements(table)
        for role in ("trainers", "callers", "readers", "analysts"):
            yield from _named_twice(role, read(table, role))


def _named_twice(role: str, principals: object) -> Iterator[InitErrorDetails]:
    seen = set()
    for index, principal in enumerate(principals if isinstance(principals, list | tuple) else ()):
        for kind in PRINCIPAL_KINDS:
            name = read(principal, kind)
            if not isinstance(name, str):
                continue
            if name in seen:
                yield problem(
                    (role, index, kind),
                    name,
                    "a principal has a role once",
                    "remove one of the two",
                )
            seen.add(name)
