"""What a file says about the platform: every key has a default, and every rule a way out."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.declared.environment import Problem, load

Problems = Callable[..., dict[str, Problem]]
Write = Callable[..., Path]

JOBS = """
[platform.jobs]
repository = "https://github.com/clinic/champion-challenger"
branch = "main"
node_type = "i3.xlarge"
"""


def test_a_file_without_a_platform_has_a_whole_one(write: Write) -> None:
    dev = load(write())

    assert dev.platform.catalog.create
    assert dev.platform.schemas.gold.create
    assert (dev.platform.warehouse.size, dev.platform.warehouse.auto_stop_minutes) == (
        "2X-Small",
        10,
    )
    assert dev.warehouse_name == dev.secret_scope_name == "champion-challenger-dev"
    assert dev.platform.jobs is None
    assert dev.roles.trainers == ()


@pytest.mark.parametrize("name", ["dev", "local", "pilot"])
def test_only_prod_is_protected_by_itself(write: Write, name: str) -> None:
    assert not load(write(name=name)).protected
    assert load(write(name="prod")).protected


@pytest.mark.parametrize("protect", [True, False])
def test_a_file_may_say_otherwise(write: Write, protect: bool) -> None:
    file = write(add=f"[platform]\nprotect = {str(protect).lower()}", name="prod")

    assert load(file).protected is protect


@pytest.mark.parametrize("name", ["dev", "local", "pilot", "prod"])
def test_the_jobs_of_every_environment_are_declared(name: str) -> None:
    jobs = load(name).platform.jobs

    assert jobs is not None
    assert jobs.ingestion.retries == 1


def test_production_runs_a_tag_not_a_branch() -> None:
    jobs = load("prod").platform.jobs

    assert jobs is not None
    assert (jobs.tag, jobs.branch) == ("v1.0.0", None)


@pytest.mark.parametrize(
    ("added", "key", "rule", "way_out"),
    [
        ("[platform]\nproject = true", "platform.project", "known keys", "did you mean 'protect'"),
        ('[platform]\nprotect = "yes"', "platform.protect", "true or false", "without quotes"),
        (
            '[platform.catalog]\ncreate = false\nstorage_root = "s3://lake/dev"',
            "platform.catalog.storage_root",
            "by whoever creates it",
            "create = true",
        ),
        (
            '[platform.warehouse]\nsize = "2x-small"',
            "platform.warehouse.size",
            "one of 2X-Small",
            "2X-Small",
        ),
        (
            "[platform.warehouse]\nauto_stop_minutes = 0",
            "platform.warehouse.auto_stop_minutes",
            "never stops",
            "10",
        ),
        (
            '[platform.warehouse]\nname = ""',
            "platform.warehouse.name",
            "1 to 100 characters",
            "recognize",
        ),
        (
            '[platform.secret_scope]\nname = "my scope"',
            "platform.secret_scope.name",
            "letters, digits",
            "rename the scope",
        ),
        ("[platform.tables.films]", "platform.tables.films", "known keys", "remove the key"),
        (
            "[platform.volumes.xray_images]\ncreate = false\nadopt = true",
            "platform.volumes.xray_images.adopt",
            "leaves it alone",
            "one of the two",
        ),
        ("[platform.schemas.sliver]", "platform.schemas.sliver", "known keys", "'silver'"),
        (
            JOBS.replace("https://", "git@"),
            "platform.jobs.repository",
            "https address",
            "https://github.com/",
        ),
        (JOBS + 'tag = "v1"', "platform.jobs", "exactly one of branch, tag, commit", "branch"),
        (
            JOBS.replace('branch = "main"\n', ""),
            "platform.jobs",
            "exactly one of branch, tag, commit",
            "branch",
        ),
        (
            JOBS.replace('node_type = "i3.xlarge"\n', ""),
            "platform.jobs.node_type",
            "required",
            "i3.xlarge",
        ),
        (JOBS + 'provider = "github"', "platform.jobs.provider", "one of gitHub", "'gitHub'"),
        (
            JOBS + "[platform.jobs.ingestion]\nretries = -1",
            "platform.jobs.ingestion.retries",
            "0 to 10",
            "number",
        ),
        (
            JOBS + "[platform.jobs.retraining]\ntimeout_minutes = 0",
            "platform.jobs.retraining.timeout_minutes",
            "whole minutes",
            "60",
        ),
        (
            JOBS + '[platform.jobs.retraining]\nschedule = "0 3 * * 0"',
            "platform.jobs.retraining.schedule",
            "Quartz",
            "SUN",
        ),
        (
            JOBS + '[platform.jobs.shadow]\nexperiment = "trial"\n[monitoring]',
            "platform.jobs.shadow.experiment",
            "an experiment of the repository",
            "pneumonia_ab",
        ),
        (
            JOBS + '[platform.jobs.shadow]\nexperiment = "pneumonia_ab"',
            "platform.jobs.shadow",
            "an environment that is watched",
            "write [monitoring]",
        ),
        (
            JOBS + '[platform.jobs.verdict]\nexperiments = ["pneumonia_ab"]',
            "platform.jobs.verdict",
            "an environment that is watched",
            "write [monitoring]",
        ),
        (
            JOBS + "[platform.jobs.verdict_days]\nexperiments = []",
            "platform.jobs.verdict_days.experiments",
            "at least one experiment",
            "pneumonia_ab",
        ),
        (
            JOBS + '[platform.jobs.verdict_days]\nexperiments = ["pneumonia_ab", "trial"]',
            "platform.jobs.verdict_days.experiments[1]",
            "an experiment of the repository",
            "pneumonia_ab",
        ),
        (
            JOBS + '[platform.jobs.verdict_days]\nexperiments = ["pneumonia_ab", "pneumonia_ab"]',
            "platform.jobs.verdict_days.experiments",
            "every experiment once",
            "remove",
        ),
        (
            JOBS + '[platform.jobs.verdict_days]\nexperiments = ["pneumonia_ab"]\n'
            'experiment = "pneumonia_ab"',
            "platform.jobs.verdict_days.experiment",
            "known keys here",
            "'experiments'",
        ),
        (
            '[roles]\ntrainers = [{ group = "a", user = "b" }]',
            "roles.trainers[0]",
            "exactly one of group, user, service_principal",
            "each",
        ),
        (
            '[roles]\nreaders = [{ group = "a" }, { group = "a" }]',
            "roles.readers[1].group",
            "has a role once",
            "remove one",
        ),
        (
            JOBS + 'run_as = "0a1b"\n[roles]\ntrainers = [{ group = "ml" }]',
            "platform.jobs.run_as",
            "run as a trainer",
            'service_principal = "0a1b"',
        ),
    ],
)
def test_a_broken_rule_names_key_rule_and_way_out(
    problems: Problems, added: str, key: str, rule: str, way_out: str
) -> None:
    found = problems(add=added)

    assert list(found) == [key]
    assert rule in found[key].rule
    assert way_out in found[key].way_out


def test_a_repository_with_credentials_is_refused(problems: Problems) -> None:
    found = problems(add=JOBS.replace("https://", "https://me:secret@"))

    assert "no credentials" in found["platform.jobs.repository"].rule


def test_a_job_may_run_as_a_service_principal_that_trains(write: Write) -> None:
    roles = '[roles]\ntrainers = [{ service_principal = "0a1b" }]'

    jobs = load(write(add=f'{JOBS}run_as = "0a1b"\n{roles}')).platform.jobs

    assert jobs is not None
    assert jobs.run_as == "0a1b"


def test_the_stacks_of_an_environment_have_names_of_their_own() -> None:
    dev = load("dev")

    assert dev.platform_stack == "platform-dev"
    assert dev.serving_stack == "serving-dev"
    assert dev.analysis_stack == "analysis-dev"
