"""Which privileges a role has on which securable: least privilege, as data.

Pure values; knows no cdktf. Facts: docs/reference/serving.md#inference-tables,
docs/reference/serving.md#sql-statements, docs/reference/mlflow.md#versions-and-aliases,
https://docs.databricks.com/aws/en/data-governance/unity-catalog/manage-privileges/privileges.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from infra.declared.endpoint import ABTest, Feedback, Level, Permission, SingleModel
from infra.declared.environment import Environment
from infra.declared.models import models_of
from infra.declared.principal import Principal
from infra.declared.tables import FILM_FILES, WATCH_TABLES
from ml.contract.tables import (
    BRONZE,
    FILMS,
    GOLD,
    PREDICTION_CONTEXT,
    PREDICTION_FEEDBACK,
)

Kind = Literal["catalog", "schema", "table", "volume", "model"]


@dataclass(frozen=True, kw_only=True)
class Securable:
    """Something in Unity Catalog that privileges are granted on; `name` has all its levels."""

    kind: Kind
    name: str


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What one principal may do with one securable. There is one grant for each such pair."""

    on: Securable
    principal: str
    privileges: tuple[str, ...]


def platform_grants(environment: Environment) -> tuple[Grant, ...]:
    """What the roles need before training and serving, sorted by securable and principal.

    Two roles of one principal are one grant: a second resource for the same pair would take away
    what the first one gave.
    """
    return _merged(_platform_claims(environment))


def view_grants(
    environment: Environment,
    views: Iterable[str],
    *,
    drawn_from: Iterable[str] = (),
    counted_from: Iterable[str] = (),
) -> tuple[Grant, ...]:
    """What analysts need to read views, given by their full names, and what the reading room needs
    to draw films and to show what was sent of them, and what the jobs of a verdict count.

    Nothing on what lies under a view: it reads with its owner's rights.
    """
    roles = environment.roles
    claims = [(view, analyst) for view in views for analyst in roles.analysts]
    claims += [(table, roles.reading_room) for table in drawn_from if roles.reading_room]
    counting = _counting(environment)
    claims += [(table, counting) for table in counted_from if counting]
    # The job that measures what is asked runs as one of them.
    trainers = roles.trainers if environment.monitoring else ()
    claims += [(table, trainer) for table in drawn_from for trainer in trainers]
    return _merged(
        (Securable(kind="table", name=name), principal, ("SELECT",)) for name, principal in claims
    )


def endpoint_permissions(
    environment: Environment, endpoint: ABTest | SingleModel
) -> tuple[Permission, ...]:
    """Who may query and see an endpoint: what its table says, and what the roles add.

    A principal has one level; the table of the endpoint goes before the roles. Whoever creates the
    endpoint manages it, and is left out: the provider refuses to lower its own level.
    """
    roles = environment.roles
    takes_readings = isinstance(endpoint, Feedback)
    room = (roles.reading_room,) if roles.reading_room else ()
    asking = (*roles.readers, *room) if takes_readings else roles.callers
    jobs = environment.platform.jobs
    # The job in the shadow runs as a trainer, and asks.
    asks_itself = not takes_readings and jobs is not None and jobs.shadow is not None
    asking = (*asking, *roles.trainers) if asks_itself else asking
    watching = () if takes_readings else (*roles.trainers, *roles.analysts)
    by_role: list[tuple[Principal, Level]] = [
        *((principal, "CAN_QUERY") for principal in asking),
        *((principal, "CAN_VIEW") for principal in watching),
    ]
    named = {permission.name for permission in endpoint.permissions}
    named |= {owner.name for owner in (roles.deployer, roles.endpoint_creator) if owner}
    permissions = list(endpoint.permissions)
    for principal, level in by_role:
        if principal.name not in named:
            permissions.append(Permission(**principal.model_dump(), level=level))
            named.add(principal.name)
    return tuple(permissions)


_Claim = tuple[Securable, Principal, tuple[str, ...]]


def _platform_claims(environment: Environment) -> Iterator[_Claim]:
    roles = environment.roles
    catalog = Securable(kind="catalog", name=environment.catalog)
    bronze = Securable(kind="schema", name=f"{environment.catalog}.{BRONZE}")
    gold = Securable(kind="schema", name=f"{environment.catalog}.{GOLD}")
    models_schema = Securable(
        kind="schema", name=f"{environment.catalog}.{environment.models_schema}"
    )
    films = Securable(kind="volume", name=FILM_FILES.full_name(environment.catalog))
    metadata = Securable(kind="table", name=FILMS.full_name(environment.catalog))
    feedback = Securable(kind="table", name=PREDICTION_FEEDBACK.full_name(environment.catalog))
    context = Securable(kind="table", name=PREDICTION_CONTEXT.full_name(environment.catalog))
    models = [
        Securable(kind="model", name=environment.full_model_name(it))
        for it in models_of(environment)
    ]

    # Nobody can grant on a catalog of someone else's but its owner, who has decided already.
    if roles.deployer and environment.platform.catalog.create:
        yield (
            catalog,
            roles.deployer,
            (
                *("USE_CATALOG", "USE_SCHEMA", "MANAGE"),
                *("CREATE_SCHEMA", "CREATE_TABLE", "CREATE_VOLUME", "CREATE_MODEL"),
            ),
        )

    if roles.endpoint_creator:
        yield catalog, roles.endpoint_creator, ("USE_CATALOG",)
        yield models_schema, roles.endpoint_creator, ("USE_SCHEMA",)
        for model in models:
            yield model, roles.endpoint_creator, ("EXECUTE",)
        for schema in _inference_schemas(environment):
            yield schema, roles.endpoint_creator, ("USE_SCHEMA", "CREATE_TABLE")
        # The feedback endpoint writes as its creator, into this one table.
        yield gold, roles.endpoint_creator, ("USE_SCHEMA",)
        yield feedback, roles.endpoint_creator, ("SELECT", "MODIFY")
        # The views read with its rights.
        yield context, roles.endpoint_creator, ("SELECT",)

    for trainer in roles.trainers:
        yield catalog, trainer, ("USE_CATALOG",)
        yield bronze, trainer, ("USE_SCHEMA",)
        yield films, trainer, ("READ_VOLUME", "WRITE_VOLUME")
        yield metadata, trainer, ("SELECT", "MODIFY")
        yield models_schema, trainer, ("USE_SCHEMA",)
        for model in models:
            yield model, trainer, ("EXECUTE", "CREATE_MODEL_VERSION")

    if environment.monitoring:
        yield from _watch_claims(environment)

    for reader in roles.readers:
        yield catalog, reader, ("USE_CATALOG",)
        yield bronze, reader, ("USE_SCHEMA",)
        yield films, reader, ("READ_VOLUME",)

    for caller in roles.callers if environment.context else ():
        yield catalog, caller, ("USE_CATALOG",)
        yield gold, caller, ("USE_SCHEMA",)
        # Who asks knows the film; a row that is there already is found, not written again.
        yield context, caller, ("SELECT", "MODIFY")

    if roles.reading_room:
        yield catalog, roles.reading_room, ("USE_CATALOG",)
        yield bronze, roles.reading_room, ("USE_SCHEMA",)
        yield films, roles.reading_room, ("READ_VOLUME",)
        # Who has read what; it writes through the feedback endpoint.
        yield gold, roles.reading_room, ("USE_SCHEMA",)
        yield feedback, roles.reading_room, ("SELECT",)
        for schema in _inference_schemas(environment):
            yield schema, roles.reading_room, ("USE_SCHEMA",)

    if counting := _counting(environment):
        yield gold, counting, ("USE_SCHEMA",)
        yield feedback, counting, ("SELECT",)
        yield context, counting, ("SELECT",)
        for schema in _inference_schemas(environment):
            yield schema, counting, ("USE_SCHEMA", "CREATE_TABLE")

    for analyst in roles.analysts:
        yield catalog, analyst, ("USE_CATALOG",)
        for schema in _inference_schemas(environment):
            yield schema, analyst, ("USE_SCHEMA",)


def _counting(environment: Environment) -> Principal | None:
    """As whom the jobs of a verdict count; None where there is none, or it is whoever deploys."""
    jobs = environment.platform.jobs
    if jobs is None or jobs.run_as is None or not (jobs.verdict_days or jobs.verdict):
        return None
    trainers = environment.roles.trainers
    return next((it for it in trainers if it.service_principal == jobs.run_as), None)


def _watch_claims(environment: Environment) -> Iterator[_Claim]:
    roles = environment.roles
    gold = Securable(kind="schema", name=f"{environment.catalog}.{GOLD}")
    reference, measures, verdicts, shadow = (
        Securable(kind="table", name=it.full_name(environment.catalog)) for it in WATCH_TABLES
    )
    if roles.endpoint_creator:
        # Views and alerts read with its rights.
        for table in (reference, measures, verdicts):
            yield table, roles.endpoint_creator, ("SELECT",)
    for trainer in roles.trainers:
        yield gold, trainer, ("USE_SCHEMA",)
        for table in (reference, measures, shadow):
            yield table, trainer, ("SELECT", "MODIFY")
        for schema in _inference_schemas(environment):
            yield schema, trainer, ("USE_SCHEMA",)
    if counting := _counting(environment):
        yield verdicts, counting, ("SELECT", "MODIFY")
    for analyst in roles.analysts:
        yield gold, analyst, ("USE_SCHEMA",)
        yield verdicts, analyst, ("SELECT", "MODIFY")
        yield shadow, analyst, ("SELECT", "MODIFY")


def _inference_schemas(environment: Environment) -> Iterator[Securable]:
    """Where the endpoints log, in the environment's own catalog."""
    for endpoint in environment.endpoints.values():
        for table in (endpoint.inference_table, endpoint.auto_capture):
            if table and table.catalog in {None, environment.catalog}:
                yield Securable(kind="schema", name=f"{environment.catalog}.{table.schema_name}")


def _merged(claims: Iterable[_Claim]) -> tuple[Grant, ...]:
    privileges: dict[tuple[Securable, str], set[str]] = defaultdict(set)
    for on, principal, claimed in claims:
        privileges[on, principal.name] |= set(claimed)
    return tuple(
        Grant(on=on, principal=principal, privileges=tuple(sorted(privileges[on, principal])))
        for on, principal in sorted(privileges, key=lambda it: (it[0].kind, it[0].name, it[1]))
    )
