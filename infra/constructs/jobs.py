"""The jobs: ingestion, retraining, monitoring, the shadow, the days of verdicts and the verdicts;
Python tasks of this repository at a Git reference."""

import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cdktf_cdktf_provider_databricks.job import (
    Job,
    JobGitSource,
    JobJobCluster,
    JobParameter,
    JobQueue,
    JobRunAs,
    JobSchedule,
    JobTask,
    JobTaskDependsOn,
    JobTaskLibrary,
    JobTaskLibraryPypi,
    JobTaskSparkPythonTask,
)
from constructs import Construct

from infra.constructs import requirements
from infra.constructs.compute import single_node
from infra.declared import platform
from infra.declared.environment import Environment
from ml.contract.arms import ARMS, Arm

_ENTRY = "infra/tasks/run_module.py"
_CLUSTER = "single-node"
_MINUTE_SECONDS = 60
_MINUTE_MILLISECONDS = 60_000

# As many as the command takes: what was not asked in time is asked in the next run.
_MOST_IN_THE_SHADOW = "10000"

# What `infra.declared.environment` needs to be read, and what the SDK and the commands need.
_EVERY_TASK = ("databricks-sdk", "pydantic", "rich")


_ENVIRONMENT = ("--environment", "{{job.parameters.environment}}")
_REGISTRY = ("--registry", "databricks-uc")


class IngestionJob(Construct):
    """`python -m ml.ingest`: idempotent, so that a retry finishes what was interrupted."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - named as in every construct
        environment: Environment,
        jobs: platform.Jobs,
    ) -> None:
        super().__init__(scope, id)
        self.resource = _command(
            self,
            environment,
            jobs,
            jobs.ingestion,
            "ml.ingest",
            *_ENVIRONMENT,
            "--data",
            "{{job.parameters.source}}",
            # Of films that are there twice one is taken, also in the bundled file.
            "--accept",
            "duplicate",
            name="Ingest chest X-rays",
            parameters={"source": jobs.ingestion.source},
            packages=("pillow", "pydicom", "python-gdcm"),
        )


class RetrainingJob(Construct):
    """The commands of `ml.contract.arms`, one after the other on one machine.

    Registers a version of each; what is served changes only when a file says so, by its number.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - named as in every construct
        environment: Environment,
        jobs: platform.Jobs,
    ) -> None:
        super().__init__(scope, id)
        arguments = (*_ENVIRONMENT, "--data", "{{job.parameters.environment}}", *_REGISTRY)
        packages = requirements.pinned(_EVERY_TASK, groups=["ml"])
        self.resource = _job(
            self,
            environment,
            jobs,
            jobs.retraining,
            name=f"Retrain both arms ({environment.name})",
            parameters={"environment": environment.name},
            tasks=[
                _task(
                    _key(arm),
                    jobs.retraining,
                    *(*arm.command.split(), *arguments),
                    packages=packages,
                    after=tuple(map(_key, ARMS[max(0, number - 1) : number])),
                )
                for number, arm in enumerate(ARMS)
            ],
        )


def _key(arm: Arm) -> str:
    return arm.command.split()[-1].removeprefix("ml.")


class MonitoringJob(Construct):
    """`python -m ml.monitor`: what the views of the drift compare. Adds rows, changes nothing."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - named as in every construct
        environment: Environment,
        jobs: platform.Jobs,
    ) -> None:
        super().__init__(scope, id)
        self.resource = _command(
            self,
            environment,
            jobs,
            jobs.monitoring,
            "ml.monitor",
            *_ENVIRONMENT,
            *_REGISTRY,
            name="Measure what is asked",
            packages=("mlflow",),
        )


class ShadowJob(Construct):
    """`python -m ml.shadow`: a challenger answers what its champion was asked. Adds rows, moves no
    traffic."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - named as in every construct
        environment: Environment,
        jobs: platform.Jobs,
        shadow: platform.ShadowJob,
    ) -> None:
        super().__init__(scope, id)
        self.resource = _command(
            self,
            environment,
            jobs,
            shadow,
            "ml.shadow",
            "{{job.parameters.experiment}}",
            *_ENVIRONMENT,
            "--per-minute",
            str(shadow.per_minute),
            "--most",
            _MOST_IN_THE_SHADOW,
            name="Ask the challenger in the shadow",
            parameters={"experiment": shadow.experiment},
        )


class VerdictDaysJob(Construct):
    """`python -m ml.count_days`: counts the days that have changed, on the SQL warehouse."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - named as in every construct
        environment: Environment,
        jobs: platform.Jobs,
        job: platform.VerdictDaysJob,
    ) -> None:
        super().__init__(scope, id)
        self.resource = _of_experiments(
            self,
            environment,
            jobs,
            job,
            "ml.count_days",
            name="Count the days of verdicts",
            packages=("numpy", "sqlglot"),
        )


class VerdictJob(Construct):
    """`python -m ml.compare --record`: the verdict of the day, for the alerts that read it."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - named as in every construct
        environment: Environment,
        jobs: platform.Jobs,
        job: platform.VerdictJob,
    ) -> None:
        super().__init__(scope, id)
        self.resource = _of_experiments(
            self,
            environment,
            jobs,
            job,
            "ml.compare",
            "--record",
            "--no-files",
            name="Record the verdicts",
            packages=("duckdb", "numpy", "scipy", "sqlglot", "statsmodels", "ville"),
        )


def _of_experiments(
    scope: Construct,
    environment: Environment,
    jobs: platform.Jobs,
    job: platform.VerdictDaysJob | platform.VerdictJob,
    module: str,
    *arguments: str,
    name: str,
    packages: tuple[str, ...],
) -> Job:
    """A job of one command for each of its experiments, one after the other because they write
    into one table; one that fails keeps no other from its own."""
    return _job(
        scope,
        environment,
        jobs,
        job,
        name=f"{name} ({environment.name})",
        parameters={"environment": environment.name},
        tasks=[
            _task(
                experiment,
                job,
                module,
                experiment,
                *_ENVIRONMENT,
                *arguments,
                packages=requirements.pinned((*_EVERY_TASK, *packages)),
                after=job.experiments[max(0, number - 1) : number],
                whatever_became_of_it=True,
            )
            for number, experiment in enumerate(job.experiments)
        ],
    )


def _command(
    scope: Construct,
    environment: Environment,
    jobs: platform.Jobs,
    job: platform.Job,
    module: str,
    *arguments: str,
    name: str,
    parameters: Mapping[str, str] = MappingProxyType({}),
    packages: tuple[str, ...] = (),
) -> Job:
    """A job of one command; the environment is a parameter of each."""
    return _job(
        scope,
        environment,
        jobs,
        job,
        name=f"{name} ({environment.name})",
        parameters={"environment": environment.name, **parameters},
        tasks=[
            _task(
                module.removeprefix("ml."),
                job,
                module,
                *arguments,
                packages=requirements.pinned((*_EVERY_TASK, *packages)),
            )
        ],
    )


def _job(
    scope: Construct,
    environment: Environment,
    jobs: platform.Jobs,
    job: platform.Job,
    *,
    name: str,
    parameters: dict[str, str],
    tasks: Sequence[JobTask],
) -> Job:
    return Job(
        scope,
        # Hidden from the logical id: `databricks_job.<id>`.
        "Default",
        name=name,
        tags=dict(environment.tags) or None,
        max_concurrent_runs=1,
        # A run that comes too early is skipped, not queued behind the one that does the work.
        queue=JobQueue(enabled=False),
        timeout_seconds=job.timeout_minutes * _MINUTE_SECONDS,
        git_source=JobGitSource(
            url=jobs.repository,
            provider=jobs.provider,
            branch=jobs.branch,
            tag=jobs.tag,
            commit=jobs.commit,
        ),
        run_as=JobRunAs(service_principal_name=jobs.run_as) if jobs.run_as else None,
        schedule=JobSchedule(quartz_cron_expression=job.schedule, timezone_id="UTC")
        if job.schedule
        else None,
        parameter=[
            JobParameter(name=key, default=value) for key, value in sorted(parameters.items())
        ],
        job_cluster=[
            JobJobCluster(job_cluster_key=_CLUSTER, new_cluster=single_node(jobs, environment))
        ],
        task=list(tasks),
    )


def _task(
    key: str,
    job: platform.Job,
    module: str,
    *arguments: str,
    packages: tuple[str, ...],
    after: Sequence[str] = (),
    whatever_became_of_it: bool = False,
) -> JobTask:
    return JobTask(
        task_key=key,
        job_cluster_key=_CLUSTER,
        spark_python_task=JobTaskSparkPythonTask(
            python_file=_ENTRY, source="GIT", parameters=[module, *arguments]
        ),
        library=_libraries(packages),
        max_retries=job.retries,
        min_retry_interval_millis=_MINUTE_MILLISECONDS,
        timeout_seconds=job.timeout_minutes * _MINUTE_SECONDS,
        depends_on=[JobTaskDependsOn(task_key=it) for it in after] or None,
        run_if="ALL_DONE" if after and whatever_became_of_it else None,
    )


@functools.cache  # the bindings check every struct's types, which takes longer than all the rest
def _libraries(packages: tuple[str, ...]) -> list[JobTaskLibrary]:
    return [
        JobTaskLibrary(pypi=JobTaskLibraryPypi(package=requirement)) for requirement in packages
    ]
