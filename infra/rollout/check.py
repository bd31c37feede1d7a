"""What would make a deployment fail, found before it, with the command that heals it."""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from infra.declared.endpoint import Endpoint, InferenceTable
from infra.declared.environment import Environment
from infra.declared.holdings import containers, created, holdings, is_adoptable, models
from infra.declared.naming import payload_table
from infra.declared.secret import is_reference
from infra.rollout import brake, settings
from infra.rollout.endpoints import (
    FAILED,
    PATH,
    UPDATING,
    Document,
    arms_are_as_declared,
    as_deployed,
    endpoints_of,
    live,
    not_serving,
    update_of,
)
from infra.rollout.existing import check_existing
from infra.rollout.finding import Finding
from infra.rollout.pin import require_one_signature, require_ready
from infra.rollout.refusal import Refused
from infra.rollout.terraform_state import PlatformState, TerraformState
from infra.rollout.versions import Registry
from ml.contract.arms import TRAINING
from ml.workspace.unity_catalog import exists

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_SECRET: Final = re.compile(r"\{\{secrets/(?P<scope>[^/]+)/(?P<key>[^/}]+)\}\}")
_ALL: Final = frozenset({"ALL_PRIVILEGES", "ALL PRIVILEGES"})
_TRAIN: Final = " or ".join(TRAINING)


def check_platform(
    client: "WorkspaceClient", environment: Environment, state: PlatformState
) -> tuple[Finding, ...]:
    """What an apply of the platform stack would erase, or stop at."""
    file = f"infra/environments/{environment.name}.toml"
    findings = [
        Finding(
            subject=holding.name,
            problem=holding.problem(state.unread),
            heal=(
                f"adopt = true under {holding.key} of {file}, or " * is_adoptable(holding, commands)
            )
            + f"{state.before}, then "
            + ", then ".join(f"{state.terraform} {command}" for command in commands)
            + f"; create = false under {holding.key}, if something else takes care of it; if it "
            "is not ours, choose another catalog",
        )
        for declared in (holdings, models, containers)
        for holding, commands in created(environment, state.known, declared)
        if exists(client, holding.kind, holding.name)
    ]
    known = {it.address for it in state.known}
    findings += [
        Finding(
            subject=holding.name,
            problem=f"adopt = true, and there is no such {holding.kind} to import.",
            heal=f"remove adopt under {holding.key} of {file}: it is created then",
        )
        for holding in holdings(environment)
        if holding.adopt
        and holding.address not in known
        and not exists(client, holding.kind, holding.name)
    ]
    return tuple(findings)


def check_serving(
    client: "WorkspaceClient", environment: Environment, state: TerraformState
) -> tuple[Finding, ...]:
    """What the serving stack lacks; no finding where a deployment has what it needs."""
    registry = Registry(client)
    documents = {it.endpoint: live(client, it.endpoint) for it in endpoints_of(environment)}
    models = list(_models(registry, environment))
    findings = [*models, *(() if models else _signatures(registry, environment))]
    findings += _grants(client, environment)
    findings += _secrets(client, environment)
    for endpoint in as_deployed(environment, client):
        document = documents[endpoint.endpoint]
        findings += check_existing(client, environment, endpoint, document, state)
        findings += _payload_table(client, environment, endpoint, document)
        findings += _update(environment, endpoint, document)
        findings += _braked(environment, endpoint, document)
    return tuple(findings)


def _braked(
    environment: Environment, endpoint: Endpoint, document: Document | None
) -> Iterator[Finding]:
    said = brake.told(document) if document else ""
    arm = said.partition(" ")[0]
    percent = {it.served_entity: it.percent for it in endpoint.split.routes}.get(arm, 0)
    if percent:
        yield Finding(
            subject=endpoint.endpoint,
            problem=f"the brake is on: {said}. {environment.name}.toml gives it {percent} percent, "
            "and a deployment would undo the brake.",
            heal="merge the change of the file that guard --stop made; or, where the reason is "
            f'gone, databricks api patch {PATH}/{endpoint.endpoint}/tags --json \'{{"delete_tags": '
            f'["{brake.TAG}"]}}\'',
        )


def _models(registry: Registry, environment: Environment) -> Iterator[Finding]:
    for endpoint in endpoints_of(environment):
        for arm in endpoint.served_models:
            name = environment.full_model_name(arm)
            try:
                require_ready(registry.version(name, arm.version))
            except Refused as refused:
                yield Finding(
                    subject=f"{name} version {arm.version}",
                    problem=str(refused),
                    heal=f"{_TRAIN} (--environment {environment.name}), or python -m infra.rollout "
                    f"pin --environment {environment.name} --newest --model {arm.model}",
                )


def _signatures(registry: Registry, environment: Environment) -> Iterator[Finding]:
    for test in (name for name in environment.chosen if name in environment.tests):
        try:
            require_one_signature(environment.about(test), registry)
        except Refused as refused:
            named = f" --test {test}" if len(environment.tests) > 1 else ""
            yield Finding(
                subject="signature",
                problem=str(refused),
                heal=f"{_TRAIN} (--environment {environment.name}), then python -m infra.rollout "
                f"pin --environment {environment.name}{named} --newest",
            )


def _grants(client: "WorkspaceClient", environment: Environment) -> Iterator[Finding]:
    """What the endpoint's creator needs: it reads the models and writes the payload as itself.

    docs/reference/serving.md#inference-tables, docs/reference/mlflow.md#versions-and-aliases
    """
    creator = environment.roles.endpoint_creator
    principal = creator.name if creator else client.current_user.me().user_name or ""
    for kind, name, needed in _needed(environment):
        held = _held(client, kind, name, principal)
        lacking = sorted(needed - held) if held is not None else []
        if lacking:
            yield Finding(
                subject=f"{kind} {name}",
                problem=f"{principal}, who creates the endpoint, lacks {', '.join(lacking)}.",
                heal=f"cdktf deploy {environment.platform_stack} (roles.endpoint_creator of "
                f"{environment.name}.toml is granted them, on a model if [platform.models] names "
                "it), or by its owner: GRANT "
                f"{', '.join(lacking)} ON {'FUNCTION' if kind == 'function' else kind.upper()} "
                f"{name} TO `{principal}`",
            )


def _needed(environment: Environment) -> Iterator[tuple[str, str, frozenset[str]]]:
    schema = f"{environment.catalog}.{environment.models_schema}"
    yield "catalog", environment.catalog, frozenset({"USE CATALOG"})
    yield "schema", schema, frozenset({"USE SCHEMA"})
    seen = set()
    for endpoint in endpoints_of(environment):
        for arm in endpoint.served_models:
            # A registered model is a function to Unity Catalog's permissions.
            seen.add(("function", environment.full_model_name(arm), frozenset({"EXECUTE"})))
        table = endpoint.inference_table
        if table and table.enabled:
            name = f"{table.catalog or environment.catalog}.{table.schema_name}"
            seen.add(("schema", name, frozenset({"USE SCHEMA", "CREATE TABLE"})))
    yield from sorted(seen, key=lambda it: it[:2])


def _held(client: "WorkspaceClient", kind: str, name: str, principal: str) -> set[str] | None:
    """The privileges that a principal has; None where it owns all, or the place is not there.

    What is missing altogether is a finding of its own elsewhere, or made by the platform stack.
    """
    from databricks.sdk.errors import NotFound
    from databricks.sdk.errors.base import DatabricksError

    owners: dict[str, Callable[[str], object]] = {
        "catalog": client.catalogs.get,
        "schema": client.schemas.get,
        "function": client.registered_models.get,
    }
    try:
        if getattr(owners[kind](name), "owner", None) == principal:
            return None
        # Own grants and those of what it lies in; groups that the principal is a member of are
        # resolved by Databricks.
        answer = client.grants.get_effective(kind, name, principal=principal)
    except NotFound:
        return None
    except DatabricksError as error:
        raise Refused(
            f"{kind} {name}: its grants cannot be read: {str(error).splitlines()[0]} Run the check "
            "as the deployer, or as somebody with MANAGE on it."
        ) from error
    held = {
        privilege.privilege.value.replace("_", " ")
        for assignment in answer.privilege_assignments or ()
        for privilege in assignment.privileges or ()
        if privilege.privilege
    }
    return None if held & _ALL else held


def _secrets(client: "WorkspaceClient", environment: Environment) -> Iterator[Finding]:
    from databricks.sdk.errors import NotFound

    keys: dict[str, set[str] | None] = {}
    for endpoint in as_deployed(environment, client):
        for arm in endpoint.served_models:
            for variable, value in arm.environment_vars.items():
                if not is_reference(value):
                    continue
                named = _SECRET.fullmatch(value)
                scope, key = (named["scope"], named["key"]) if named else ("", "")
                if scope not in keys:
                    try:
                        keys[scope] = {str(it.key) for it in client.secrets.list_secrets(scope)}
                    except NotFound:
                        keys[scope] = None
                there = keys[scope]
                if there is None or key not in there:
                    what = "scope" if there is None else "key"
                    create = f"databricks secrets create-scope {scope}, then " * (there is None)
                    yield Finding(
                        subject=f"{arm.served_entity_name}.environment_vars.{variable}",
                        problem=f"{value}: there is no such {what}.",
                        heal=f"{create}databricks secrets put-secret {scope} {key}",
                    )


def _payload_table(
    client: "WorkspaceClient",
    environment: Environment,
    endpoint: Endpoint,
    document: Document | None,
) -> Iterator[Finding]:
    """Databricks never writes into a table that is there: it creates its own."""
    table: InferenceTable | None = endpoint.inference_table
    if table is None or not table.enabled:
        return
    name = payload_table(table.catalog or environment.catalog, table.schema_name, table.prefix)
    logs_there = document is not None and (
        settings.found(document).get(settings.INFERENCE_TABLE) == name
    )
    if not logs_there and client.tables.exists(name).table_exists:
        yield Finding(
            subject=f"{endpoint.endpoint}.inference_table.prefix = {table.prefix}",
            problem=f"{name} exists, and this endpoint does not write it: an inference table is "
            "always a new one.",
            heal="choose another prefix; to read the old rows too, keep the old table",
        )


def _update(
    environment: Environment, endpoint: Endpoint, document: Document | None
) -> Iterator[Finding]:
    if document is None:
        return
    update = update_of(document)
    wait = f"python -m infra.rollout wait --environment {environment.name}"
    if update == UPDATING:
        yield Finding(
            subject=endpoint.endpoint,
            problem="it is being updated, and a second update is refused meanwhile.",
            heal=f"{wait}: progress and build logs",
        )
    elif update in FAILED and not (
        arms_are_as_declared(environment, endpoint, document) and not not_serving(document)
    ):
        yield Finding(
            subject=endpoint.endpoint,
            problem=f"its last update ended as {update}; the configuration before it serves.",
            heal=f"{wait} shows the build logs; correct the file (or python -m infra.rollout "
            f"rollback --environment {environment.name}), then deploy again",
        )
