"""An environment is one file: `infra/environments/<name>.toml`, read into frozen, checked values.

Knows no cdktf, so that a wrong file is refused before anything heavy is imported.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import InitErrorDetails

from infra.declared.context import ContextPlan
from infra.declared.declaration import Declaration, Table, broken_rule, problem, read
from infra.declared.destruction import held_address
from infra.declared.endpoints import WithEndpoints, payload_tables
from infra.declared.local_workspace import is_loopback
from infra.declared.monitoring import Monitoring
from infra.declared.naming import CatalogName, SchemaName, Tags
from infra.declared.platform import Platform
from infra.declared.principal import Roles
from infra.declared.problem import (
    InvalidFile,
    Problem,
    as_problem,
    as_toml,
    dotted,
    named_file,
    names_in,
    parse,
)
from infra.declared.reading import ReadingPlan
from infra.declared.served_model import ServedModel
from infra.declared.state import LocalState, State
from infra.declared.task import FOLDER
from ml.contract.task import PNEUMONIA

ENVIRONMENTS: Final = Path(__file__).parents[1] / "environments"

_HOST: Final = re.compile(r"(?P<scheme>https?)://(?P<name>[A-Za-z0-9.-]+)(:\d{1,5})?")


class InvalidEnvironment(InvalidFile):
    """An environment file that cannot be used. `str()` lists every problem at once."""


def _host(host: str) -> str:
    found = _HOST.match(host)
    if found is None or found[0] != host:
        raise broken_rule(
            "a workspace's address: scheme and host, nothing behind them",
            f"write {found[0]}"
            if found and "@" not in host
            else "write it like https://adb-1234567890123456.7.azuredatabricks.net",
        )
    if found["scheme"] == "http" and not is_loopback(found["name"]):
        raise broken_rule(
            "https, except for a workspace on this machine: the token travels with every request",
            f"write {host.replace('http', 'https', 1)}",
        )
    return host


class Workspace(Declaration):
    """How to find the workspace. How to authenticate is never said in a file: the provider takes
    it from DATABRICKS_* variables or from the profile."""

    host: Annotated[str, AfterValidator(_host)] | None = None
    """Without it, DATABRICKS_HOST or the profile names the workspace when Terraform runs."""

    profile: str | None = Field(default=None, min_length=1)
    """A section of `~/.databrickscfg`."""


def _name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise broken_rule(
            "an environment's file: up to 31 lower-case letters, digits and '-', a letter first",
            "rename the file, for example: dev.toml",
        )
    return name


class Environment(WithEndpoints):
    """One deployment, whole."""

    name: Annotated[str, AfterValidator(_name)] = Field(exclude=True)
    """The file's name without its ending."""

    catalog: CatalogName = Field(examples=['catalog = "healthcare_catalog_dev"'])
    models_schema: SchemaName = "models"
    workspace: Workspace = Workspace()
    backend: State = LocalState()
    may_destroy: tuple[Annotated[str, AfterValidator(held_address)], ...] = Field(
        default=(), strict=False
    )
    """Addresses in Terraform of what the next deployment may destroy, or replace."""

    tags: Tags = Field(default_factory=lambda: MappingProxyType({}))
    platform: Platform = Platform()
    roles: Roles = Roles()
    reading: ReadingPlan = ReadingPlan()
    context: ContextPlan | None = None
    """None: nobody may write what is known of a prediction's film."""
    monitoring: Monitoring | None = None
    """None: nobody is told of anything."""

    def full_model_name(self, model: str | ServedModel) -> str:
        """The three-level name under which a model is registered and served here; a served model
        may be another catalog's or schema's."""
        if isinstance(model, str):
            return f"{self.catalog}.{self.models_schema}.{model}"
        catalog, schema = model.catalog or self.catalog, model.schema_name or self.models_schema
        return f"{catalog}.{schema}.{model.model}"

    @property
    def serving_stack(self) -> str:
        """The name of the stack that holds the endpoints, and of its state."""
        return f"serving-{self.name}"

    @property
    def platform_stack(self) -> str:
        """The name of the stack that holds what must exist before training and serving."""
        return f"platform-{self.name}"

    @property
    def analysis_stack(self) -> str:
        """The name of the stack that holds the views, which need a table that serving creates."""
        return f"analysis-{self.name}"

    @property
    def protected(self) -> bool:
        """Whether what holds data is kept from being destroyed."""
        protect = self.platform.protect
        return self.name == "prod" if protect is None else protect

    @property
    def warehouse_name(self) -> str:
        """The SQL warehouse, by the name that people and `ml` find it under."""
        return self.platform.warehouse.name or f"champion-challenger-{self.name}"

    @property
    def secret_scope_name(self) -> str:
        """The secret scope."""
        return self.platform.secret_scope.name or f"champion-challenger-{self.name}"

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """Names and tables are one endpoint's each, and what one key needs another gives."""
        yield from super().disagreements(table)
        yield from _job_without_a_role(read(table, "platform"), read(table, "roles"))
        yield from _jobs_without_a_table(read(table, "platform"), read(table, "monitoring"))


def _job_without_a_role(platform: object, roles: object) -> Iterator[InitErrorDetails]:
    run_as = read(read(platform, "jobs"), "run_as")
    trainers = read(roles, "trainers")
    named = [
        read(principal, "service_principal")
        for principal in (trainers if isinstance(trainers, list | tuple) else ())
    ]
    if isinstance(run_as, str) and run_as not in named:
        yield problem(
            ("platform", "jobs", "run_as"),
            run_as,
            "the jobs run as a trainer: nobody else may write films and model versions",
            f'add {{ service_principal = "{run_as}" }} to trainers under [roles]',
        )


def _jobs_without_a_table(platform: object, monitoring: object) -> Iterator[InitErrorDetails]:
    for job, what in (("shadow", "the answers in the shadow are"), ("verdict", "verdicts are")):
        if read(read(platform, "jobs"), job) is not None and monitoring is None:
            yield problem(
                ("platform", "jobs", job),
                None,
                f"{what} kept in a table of an environment that is watched",
                "write [monitoring] into the file",
            )


def available() -> tuple[str, ...]:
    """The names of the environments that exist, sorted."""
    return names_in(ENVIRONMENTS)


def file_of(name_or_path: str | Path) -> Path:
    """The file of the environment of that name, or the file itself. Raises InvalidEnvironment."""
    return named_file(name_or_path, ENVIRONMENTS, InvalidEnvironment)


def load(
    name_or_path: str | Path, test: str | None = None, *, folder: Path | None = None
) -> Environment:
    """The environment of that name, or in that file; about one of its A/B tests, if it is named.
    Of a copy, ``folder`` is where the file is: paths in it are relative to that.

    Raises InvalidEnvironment with every problem of the file, NoSuchTest for a test it has not.
    """
    file = file_of(name_or_path)
    table = parse(file, InvalidEnvironment)
    problems = [_name_in_file(file, table.pop("name"))] if "name" in table else []
    try:
        environment = Environment.model_validate(
            {"name": file.stem, **table},
            by_name=False,  # in a file, a key has one spelling
            by_alias=True,
            context={FOLDER: folder or file.parent},
        )
        problems += _strata_of_the_called(file, environment)
    except ValidationError as error:
        problems += [as_problem(file, details) for details in error.errors(include_url=False)]
    if problems:
        raise InvalidEnvironment(problems)
    return environment.about(test)


def _strata_of_the_called(file: Path, environment: Environment) -> Iterator[Problem]:
    tasks = [test.task for test in environment.tests.values()]
    task = min(tasks, key=lambda it: it.threshold, default=PNEUMONIA)
    for place, stratum in enumerate(environment.reading.audit_strata):
        if stratum.start >= task.threshold:
            key = f"reading.audit_strata[{place}].from"
            yield Problem(
                file=file,
                key=key,
                value=as_toml(key, stratum.start),
                rule=f"a probability of {task.positive} between 0 and {task.threshold:g}: of "
                f"{task.words.case[1]} called so, all are read",
                way_out=f"write from = {task.threshold * 0.4:g} for those of that and more",
            )


def load_all() -> tuple[Environment, ...]:
    """Every environment, sorted by name.

    Raises InvalidEnvironment with every problem of every file, and those between the files.
    """
    environments: list[Environment] = []
    problems: list[Problem] = []
    for name in available():
        try:
            environments.append(load(name))
        except InvalidEnvironment as invalid:
            problems += invalid.problems
    problems += _collisions(environments)
    if problems:
        raise InvalidEnvironment(problems)
    return tuple(environments)


def _name_in_file(file: Path, name: object) -> Problem:
    return Problem(
        file=file,
        key="name",
        value=as_toml("name", name),
        rule="an environment is named by its file",
        way_out="remove the key, or rename the file",
    )


def _collisions(environments: Sequence[Environment]) -> Iterator[Problem]:
    """What two environments must not share. A state is no such thing: its address ends in the
    name of the stack, which ends in the name of the environment."""
    seen: dict[str, tuple[Environment, str]] = {}
    for environment in environments:
        for key, claim, rule in _claims(environment):
            if claim in seen:
                other, other_key = seen[claim]
                yield Problem(
                    file=ENVIRONMENTS / f"{environment.name}.toml",
                    key=key,
                    value=claim,
                    rule=f"{rule}, and {other.name}.toml claims it with {other_key}",
                    way_out="change it in one of the two files",
                )
            seen.setdefault(claim, (environment, key))


def _claims(environment: Environment) -> Iterator[tuple[str, str, str]]:
    endpoints = environment.endpoints
    workspace = environment.workspace.host or environment.workspace.profile
    for key, endpoint in endpoints.items():
        if workspace:
            yield (
                f"{key}.endpoint",
                f"{workspace}/serving-endpoints/{endpoint.endpoint}",
                "an endpoint's name is unique in its workspace",
            )
    for location, payloads in payload_tables(environment.catalog, endpoints):
        yield (
            f"{dotted(location)}.prefix",
            payloads,
            "an inference table belongs to one endpoint",
        )
