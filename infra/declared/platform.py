"""What an environment file says about the platform: all that exists before training and serving.

Pure values; knows no cdktf. Every key has a default, so that a file without `[platform]` gives a
whole platform; only the jobs need something that nobody can guess, the repository they run from.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import InitErrorDetails

from infra.declared.declaration import Declaration, Table, broken_rule, problem, read
from infra.declared.experiment import available
from infra.declared.naming import Identifier
from infra.declared.rules import one_of, whole_number

WarehouseSize = Literal["2X-Small", "X-Small", "Small", "Medium", "Large", "X-Large"]
GitProvider = Literal[
    "gitHub",
    "gitHubEnterprise",
    "gitLab",
    "gitLabEnterpriseEdition",
    "bitbucketCloud",
    "bitbucketServer",
    "azureDevOpsServices",
    "awsCodeCommit",
]

HOW_TO_DESTROY: Final = (
    "protect = true: what holds data is not destroyed; Terraform says so as 'Instance cannot be "
    "destroyed'. To go on all the same: set protect = false under [platform] in "
    "infra/environments/{name}.toml, deploy platform-{name}, and then destroy it."
)
"""What a destruction that is refused says; `name` is the environment's."""

_LONGEST_SCOPE: Final = 128
_GIT_REFERENCES: Final = ("branch", "tag", "commit")
_MINUTES_A_WEEK: Final = 7 * 24 * 60


def _display_name(name: str) -> str:
    if not name.strip() or len(name) > 100:
        raise broken_rule("1 to 100 characters", "write a name that people recognize in a list")
    return name


def _scope_name(name: str) -> str:
    if not re.fullmatch(rf"[A-Za-z0-9_.@-]{{1,{_LONGEST_SCOPE}}}", name):
        raise broken_rule(
            f"a secret scope's name: 1 to {_LONGEST_SCOPE} letters, digits, '_', '-', '.' and '@'",
            "rename the scope, for example: champion-challenger-dev",
        )
    return name


def _repository(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or not parts.path.strip("/"):
        raise broken_rule(
            "a Git repository's https address",
            "write it like https://github.com/ORGANISATION/champion-challenger",
        )
    if parts.username or parts.password:
        raise broken_rule(
            "no credentials in an address",
            "give the job's identity a Git credential in the workspace (docs/databricks.md)",
        )
    return url


def _cron(expression: str) -> str:
    # Quartz itself is checked by Databricks; what is caught here is the five-field cron of Unix.
    if len(expression.split()) not in {6, 7}:
        raise broken_rule(
            "a Quartz cron expression: seconds first, six or seven fields",
            'write, for example, "0 0 3 ? * SUN" for every Sunday at three, UTC',
        )
    return expression


def _experiment(name: str) -> str:
    if name not in available():
        raise broken_rule(
            "an experiment of the repository, by its name", f"write one of {', '.join(available())}"
        )
    return name


def _different(experiments: tuple[str, ...]) -> tuple[str, ...]:
    if not experiments:
        raise broken_rule("at least one experiment", 'write, for example, ["pneumonia_ab"]')
    repeated = sorted({it for it in experiments if experiments.count(it) > 1})
    if repeated:
        raise broken_rule("every experiment once", f"remove the second {repeated[0]!r}")
    return experiments


Experiment = Annotated[str, AfterValidator(_experiment)]
Requests = Annotated[
    int, whole_number(1, 60_000, "whole requests a minute, 1 to 60000", "write it without quotes")
]

Minutes = Annotated[
    int,
    whole_number(
        1,
        _MINUTES_A_WEEK,
        f"whole minutes from 1 to {_MINUTES_A_WEEK}",
        "write the number alone, for example: 60",
    ),
]
Retries = Annotated[
    int,
    whole_number(
        0, 10, "a whole number of retries from 0 to 10", "write the number alone, for example: 1"
    ),
]
AutoStop = Annotated[
    int,
    whole_number(
        1,
        _MINUTES_A_WEEK,
        "whole minutes, at least 1: a warehouse that never stops is paid for all night",
        "write the number alone, for example: 10",
    ),
]


class Owned(Declaration):
    """Something that this stack creates, unless the organisation has it already."""

    create: bool = True
    """False refers to what exists under that name: nothing of it is created, changed, destroyed."""


class Catalog(Owned):
    """The environment's catalog; its name is the file's key `catalog`."""

    storage_root: str | None = Field(default=None, min_length=1)
    """Where managed data is kept; needed where the metastore has no default of its own."""

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """Storage is chosen for a catalog that is created, and for no other."""
        yield from super().disagreements(table)
        if read(table, "create") is False and read(table, "storage_root") is not None:
            yield problem(
                ("storage_root",),
                read(table, "storage_root"),
                "the storage of a catalog is chosen by whoever creates it",
                "remove the key, or write create = true",
            )


class Held(Owned):
    """A table or a volume of ours. Where it exists already, it says who takes care of it."""

    adopt: bool = False
    """Import it, with all that is in it, instead of creating it. Stays true: once Terraform's
    state knows it, there is nothing to import."""

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """What is adopted is ours from then on; what is not created never is."""
        yield from super().disagreements(table)
        if read(table, "create") is False and read(table, "adopt") is True:
            yield problem(
                ("adopt",),
                True,
                "adopt = true takes over what exists, create = false leaves it alone",
                "remove one of the two keys",
            )


class Tables(Declaration):
    """The tables, by their names."""

    kaggle_xray_metadata: Held = Held()
    prediction_context: Held = Held()
    prediction_feedback: Held = Held()
    reference_distributions: Held = Held()
    input_measures: Held = Held()
    verdicts: Held = Held()
    shadow_answers: Held = Held()


class Volumes(Declaration):
    """The volumes, by their names."""

    xray_images: Held = Held()


class Schemas(Declaration):
    """The four schemas."""

    bronze: Owned = Owned()
    silver: Owned = Owned()
    gold: Owned = Owned()
    models: Owned = Owned()
    """Its name is the file's key `models_schema`."""


class RegisteredModels(Owned):
    """The registered models of `models_schema`."""

    names: tuple[Identifier, ...] = Field(default=(), strict=False)
    """Of this organisation's own, beside those of the chest X-rays. Not read off the endpoints: a
    model that is served no more keeps its versions."""


class Warehouse(Owned):
    """The SQL warehouse that writes films and verdicts, and that the dashboard reads with."""

    name: Annotated[str, AfterValidator(_display_name)] | None = None
    """`champion-challenger-<environment>` unless another one is named."""

    size: Annotated[WarehouseSize, one_of(*get_args(WarehouseSize))] = "2X-Small"
    auto_stop_minutes: AutoStop = 10
    serverless: bool = True


class SecretScope(Owned):
    """Where the secrets are that files and JSON only refer to: `{{secrets/<name>/<key>}}`."""

    name: Annotated[str, AfterValidator(_scope_name)] | None = None
    """`champion-challenger-<environment>` unless another one is named."""


class Job(Declaration):
    """How one job runs. Never twice at the same time: two runs would write the same rows."""

    timeout_minutes: Minutes = 60
    retries: Retries = 1
    schedule: Annotated[str, AfterValidator(_cron)] | None = None
    """A Quartz cron expression, in UTC; without one, the job runs when it is started."""


class IngestionJob(Job):
    """`python -m ml.ingest`."""

    source: str = Field(default="ml/data/pneumoniamnist_train_val.npz", min_length=1)
    """Default of the job's parameter: a folder of the Kaggle layout or a MedMNIST `.npz`, in a
    volume or in the repository."""


class RetrainingJob(Job):
    """`python -m ml.train_keras` and `python -m ml.train_torch`, from what was ingested."""

    timeout_minutes: Minutes = 240


class _OfExperiments(Job):
    experiments: Annotated[tuple[Experiment, ...], AfterValidator(_different)] = Field(
        strict=False, examples=['experiments = ["pneumonia_ab"]']
    )
    """Files in infra/experiments, by their names: a task each."""


class VerdictDaysJob(_OfExperiments):
    """`python -m ml.count_days`: what a verdict counts, by day."""


class VerdictJob(_OfExperiments):
    """`python -m ml.compare --record`, of an environment with a `[monitoring]`."""

    schedule: Annotated[str, AfterValidator(_cron)] | None = "0 0 5 * * ?"


class MonitoringJob(Job):
    """`python -m ml.monitor`, of an environment with a `[monitoring]`."""

    schedule: Annotated[str, AfterValidator(_cron)] | None = "0 15 * * * ?"


class ShadowJob(Job):
    """`python -m ml.shadow`, of an environment with a `[monitoring]`; only where a file has it."""

    experiment: Experiment = Field(examples=['experiment = "pneumonia_ab"'])
    """A file in infra/experiments, by its name: whose challenger is asked."""
    per_minute: Requests = 300
    """Requests at most, so that the endpoint keeps answering others."""
    schedule: Annotated[str, AfterValidator(_cron)] | None = "0 45 * * * ?"


class Jobs(Declaration):
    """The jobs, and the repository and the machine they run on."""

    repository: Annotated[str, AfterValidator(_repository)] = Field(
        examples=['repository = "https://github.com/ORGANISATION/champion-challenger"']
    )
    provider: Annotated[GitProvider, one_of(*get_args(GitProvider))] = "gitHub"
    branch: str | None = Field(default=None, min_length=1)
    tag: str | None = Field(default=None, min_length=1)
    commit: str | None = Field(default=None, min_length=1)

    node_type: str = Field(min_length=1, examples=['node_type = "i3.xlarge"'])
    """A machine of the workspace's cloud: "i3.xlarge", "Standard_DS3_v2", "n2-highmem-4" ..."""

    runtime: str = Field(default="16.4.x-scala2.12", min_length=1)
    """Databricks Runtime 14 or later: the job's file relies on its working directory."""

    run_as: str | None = Field(default=None, min_length=1)
    """A service principal's application id; without one, the jobs run as whoever deploys them."""

    ingestion: IngestionJob = IngestionJob()
    retraining: RetrainingJob = RetrainingJob()
    verdict_days: VerdictDaysJob | None = None
    """Without it a verdict counts all rows each time."""
    verdict: VerdictJob | None = None
    """Without it nobody is told of a verdict that nobody has asked for."""
    monitoring: MonitoringJob = MonitoringJob()
    shadow: ShadowJob | None = None
    """None: no challenger is asked in the shadow of its champion by itself."""

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """Exactly one Git reference says which code runs."""
        yield from super().disagreements(table)
        named = [key for key in _GIT_REFERENCES if read(table, key) is not None]
        if len(named) != 1:
            yield problem(
                (),
                None,
                f"exactly one of {', '.join(_GIT_REFERENCES)} says which code the jobs run",
                'write branch = "main" while you develop and tag = "v1.0.0" in production',
            )


class Platform(Declaration):
    """Everything that must exist before training and serving."""

    protect: bool | None = None
    """True refuses to destroy what holds data. The default is true in prod and false elsewhere."""

    catalog: Catalog = Catalog()
    schemas: Schemas = Schemas()
    tables: Tables = Tables()
    volumes: Volumes = Volumes()
    models: RegisteredModels = RegisteredModels()
    """The registered models; false where versions were registered before there was a platform."""

    warehouse: Warehouse = Warehouse()
    secret_scope: SecretScope = SecretScope()
    jobs: Jobs | None = None
    """Without it there are none: nothing else knows where the code is."""
