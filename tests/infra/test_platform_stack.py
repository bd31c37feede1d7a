"""What every environment's platform and analysis deploy: the snapshots are for reviewers."""

import functools
import importlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from infra.declared.environment import ENVIRONMENTS, available, load
from infra.declared.holdings import holdings

Write = Callable[..., Path]
Synthesized = Callable[[str | Path], Any]

DATA = (
    "databricks_catalog",
    "databricks_registered_model",
    "databricks_schema",
    "databricks_secret_scope",
    "databricks_sql_table",
    "databricks_volume",
)
"""The resources that hold what nobody can create again."""

JOBS = """
[platform.jobs]
repository = "https://github.com/clinic/champion-challenger"
branch = "main"
node_type = "i3.xlarge"
"""


@pytest.fixture(scope="session")
def synthesized(
    cdktf: Any, synthesize: Callable[[Any], Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str, str], Any]:
    """A stack of an environment's text, the same for every test: nobody changes it."""

    @functools.cache
    def synthesized(kind: str, name: str, text: str) -> Any:
        import infra.stacks

        folder = tmp_path_factory.mktemp(name)
        (file := folder / f"{name}.toml").write_text(text, encoding="utf-8")
        app = cdktf.Testing.app(outdir=str(folder / "cdktf.out"))
        return synthesize(getattr(infra.stacks, kind)(app, load(file)))

    return synthesized


def _text(environment: str | Path) -> tuple[str, str]:
    file = Path(environment) if isinstance(environment, Path) else ENVIRONMENTS / environment
    return file.stem, file.with_suffix(".toml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def platform(synthesized: Callable[[str, str, str], Any]) -> Synthesized:
    return lambda environment: synthesized("PlatformStack", *_text(environment))


@pytest.fixture(scope="session")
def analysis(synthesized: Callable[[str, str, str], Any]) -> Synthesized:
    return lambda environment: synthesized("AnalysisStack", *_text(environment))


def each(stack: Any, *types: str) -> Iterator[tuple[str, Any]]:
    """The resources of some types, or all, by their addresses."""
    for kind, resources in stack["resource"].items():
        if not types or kind in types:
            for name, arguments in resources.items():
                yield f"{kind}.{name}", arguments


@pytest.mark.parametrize("name", available())
def test_platform_stack(name: str, platform: Synthesized, snapshot_json: SnapshotAssertion) -> None:
    assert platform(name) == snapshot_json


@pytest.mark.parametrize("name", available())
def test_analysis_stack(name: str, analysis: Synthesized, snapshot_json: SnapshotAssertion) -> None:
    assert analysis(name) == snapshot_json


class TestCatalog:
    def test_the_guides_catalog_is_there(self, platform: Synthesized) -> None:
        resources = platform("dev")["resource"]

        assert resources["databricks_catalog"]["catalog"]["name"] == "healthcare_catalog_dev"
        assert set(resources["databricks_schema"]) == {"bronze", "silver", "gold", "models"}
        assert resources["databricks_volume"]["xray_images"]["schema_name"] == "bronze"
        assert resources["databricks_volume"]["xray_images"]["volume_type"] == "MANAGED"
        assert set(resources["databricks_registered_model"]) == {
            "pneumonia_poc_classifier",
            "pneumonia_poc_classifier_pytorch",
            "feedback_processor",
        }

    def test_every_column_has_a_type_and_a_comment(self, platform: Synthesized) -> None:
        tables = platform("dev")["resource"]["databricks_sql_table"]

        assert set(tables) == {"kaggle_xray_metadata", "prediction_context", "prediction_feedback"}
        for table in tables.values():
            assert table["comment"]
            for column in table["column"]:
                assert column["type"]
                assert column["comment"], column["name"]

    def test_what_identifies_a_row_is_not_null(self, platform: Synthesized) -> None:
        tables = platform("dev")["resource"]["databricks_sql_table"]
        required = {
            name: {column["name"] for column in table["column"] if column["nullable"] is False}
            for name, table in tables.items()
        }

        assert {"image_id", "label", "dataset_split", "sha256"} <= required["kaggle_xray_metadata"]
        assert required["prediction_feedback"] == {
            "feedback_id",
            "prediction_id",
            "timestamp",
            "ground_truth",
            "radiologist_id",
        }
        assert required["prediction_context"] == {"prediction_id", "recorded_at"}

    def test_tables_are_created_through_the_warehouse(self, platform: Synthesized) -> None:
        """Without one, the provider starts a cluster to run the statement."""
        for _, table in each(platform("dev"), "databricks_sql_table"):
            assert table["warehouse_id"] == "${databricks_sql_endpoint.warehouse.id}"


@pytest.mark.parametrize("name", available())
def test_whatever_would_be_erased_by_its_creation_is_looked_for_before_an_apply(
    name: str, platform: Synthesized, analysis: Synthesized
) -> None:
    """A view is created by CREATE VIEW, which replaces nothing."""
    resources = [
        *each(platform(name), "databricks_sql_table", "databricks_volume"),
        *each(analysis(name), "databricks_sql_table", "databricks_volume"),
    ]
    synthesized = {
        address: ".".join(it[key] for key in ("catalog_name", "schema_name", "name"))
        for address, it in resources
        if it.get("table_type") != "VIEW"
    }

    assert {it.address: it.name for it in holdings(load(name))} == synthesized


class TestWhatTheOrganisationHas:
    def test_a_catalog_is_referred_to_by_its_name(
        self, platform: Synthesized, write: Write
    ) -> None:
        stack = platform(write(add="[platform.catalog]\ncreate = false"))

        assert "databricks_catalog" not in stack["resource"]
        assert "depends_on" not in stack["resource"]["databricks_schema"]["gold"]
        assert stack["resource"]["databricks_schema"]["gold"]["catalog_name"] == (
            "healthcare_catalog_dev"
        )

    def test_a_schema_is_referred_to_by_its_name(self, platform: Synthesized, write: Write) -> None:
        resources = platform(write(add="[platform.schemas.gold]\ncreate = false"))["resource"]

        assert set(resources["databricks_schema"]) == {"bronze", "silver", "models"}
        feedback = resources["databricks_sql_table"]["prediction_feedback"]
        assert feedback["schema_name"] == "gold"
        assert feedback["depends_on"] == ["databricks_catalog.catalog"]

    @pytest.mark.parametrize(
        ("key", "kind", "name"),
        [
            ("tables.prediction_feedback", "databricks_sql_table", "gold.prediction_feedback"),
            ("volumes.xray_images", "databricks_volume", "bronze.xray_images"),
        ],
    )
    def test_a_table_or_a_volume_is_adopted_by_its_name_or_only_referred_to(
        self, platform: Synthesized, write: Write, key: str, kind: str, name: str
    ) -> None:
        address = f"{kind}.{key.partition('.')[2]}"
        roles = '\n[roles]\nendpoint_creator = { service_principal = "creator" }\n'

        adopting = platform(write(add=f"[platform.{key}]\nadopt = true"))
        referring = platform(write(add=f"[platform.{key}]\ncreate = false{roles}"))

        assert adopting["import"] == [{"id": f"healthcare_catalog_dev.{name}", "to": address}]
        assert address in dict(each(adopting))
        assert address not in dict(each(referring))
        assert referring["removed"] == [{"from": address, "lifecycle": {"destroy": False}}]

    def test_what_is_referred_to_leaves_the_state_without_being_destroyed(
        self, platform: Synthesized, write: Write
    ) -> None:
        """Of all that can be created or not: without it the code, and with it the object, goes."""
        tables = (
            *(f"schemas.{name}" for name in ("bronze", "silver", "gold", "models")),
            *("tables.kaggle_xray_metadata", "tables.prediction_feedback", "volumes.xray_images"),
            *("catalog", "models", "warehouse", "secret_scope"),
        )
        roles = '[roles]\nanalysts = [{ group = "analysts" }]\n'
        everything = platform(write(add=roles))
        nothing = platform(
            write(add=roles + "".join(f"[platform.{it}]\ncreate = false\n" for it in tables))
        )

        gone = set(dict(each(everything))) - set(dict(each(nothing)))
        assert gone == {it["from"] for it in nothing["removed"]}

    def test_models_that_were_registered_before_are_referred_to(
        self, platform: Synthesized, write: Write
    ) -> None:
        resources = platform(
            write(add='[platform.models]\ncreate = false\n[roles]\ntrainers = [{ group = "ml" }]')
        )["resource"]

        assert "databricks_registered_model" not in resources
        granted = {grant.get("model") for grant in resources["databricks_grant"].values()}
        assert "healthcare_catalog_dev.models.pneumonia_poc_classifier" in granted

    def test_a_warehouse_is_looked_up_and_its_permissions_left_alone(
        self, platform: Synthesized, write: Write
    ) -> None:
        """Permissions of an object are one list: ours would take away its owner's."""
        stack = platform(
            write(
                add='[platform.warehouse]\ncreate = false\nname = "shared"\n'
                '[roles]\ntrainers = [{ group = "ml" }]'
            )
        )

        assert "databricks_sql_endpoint" not in stack["resource"]
        assert "databricks_permissions.warehouse-permissions" not in dict(each(stack))
        assert stack["data"] == {"databricks_sql_warehouse": {"warehouse": {"name": "shared"}}}
        for _, table in each(stack, "databricks_sql_table"):
            assert table["warehouse_id"] == "${data.databricks_sql_warehouse.warehouse.id}"

    def test_a_secret_scope_is_referred_to_by_its_name(
        self, platform: Synthesized, write: Write
    ) -> None:
        resources = platform(
            write(
                add='[platform.secret_scope]\ncreate = false\nname = "clinic"\n'
                '[roles]\nendpoint_creator = { service_principal = "0a1b" }'
            )
        )["resource"]

        assert "databricks_secret_scope" not in resources
        (acl,) = resources["databricks_secret_acl"].values()
        assert acl == {"scope": "clinic", "principal": "0a1b", "permission": "READ"}


class TestAccess:
    def test_no_grant_takes_away_other_peoples(self, platform: Synthesized) -> None:
        for name in available():
            assert "databricks_grants" not in platform(name)["resource"]

    def test_a_grant_waits_for_its_securable(self, platform: Synthesized) -> None:
        for address, grant in each(platform("local"), "databricks_grant"):
            assert len(grant["depends_on"]) == 1, address

    def test_a_group_that_is_named_in_a_file_is_named_nowhere_else(self) -> None:
        root = Path(__file__).resolve().parents[2]
        names = {
            principal.name
            for environment in map(load, available())
            for role in environment.roles.model_dump(exclude_none=True)
            for principal in _principals(getattr(environment.roles, role))
        }
        # Words of a role are in the code by right.
        for name in names - {"readers", "analysts"}:
            for module in (
                root / "infra" / "stacks.py",
                *root.glob("infra/declared/*.py"),
                *root.glob("infra/constructs/*.py"),
                *root.glob("infra/views/*.sql"),
            ):
                assert name not in module.read_text(), (name, module)

    @pytest.mark.parametrize(("context", "users"), [("", set()), ("[context]", {"clinic"})])
    def test_callers_use_the_warehouse_where_they_write_a_context(
        self, platform: Synthesized, write: Write, context: str, users: set[str]
    ) -> None:
        stack = platform(write(add=f'{context}\n[roles]\ncallers = [{{ group = "clinic" }}]'))

        levels = dict(each(stack)).get("databricks_permissions.warehouse-permissions", {})
        assert {it["group_name"] for it in levels.get("access_control", ())} == users

    def test_whoever_deploys_keeps_its_own_level(self, platform: Synthesized, write: Write) -> None:
        stack = platform(
            write(
                add='[roles]\ndeployer = { service_principal = "0a1b" }\n'
                'endpoint_creator = { service_principal = "0a1b" }'
            )
        )

        assert "databricks_permissions" not in stack["resource"]
        assert "databricks_secret_acl" not in stack["resource"]


class TestJobs:
    @pytest.fixture
    def jobs(self, platform: Synthesized, write: Write) -> Any:
        return platform(write(add=JOBS))["resource"]["databricks_job"]

    def test_none_runs_twice_at_the_same_time(self, jobs: Any) -> None:
        assert {job["max_concurrent_runs"] for job in jobs.values()} == {1}
        assert {job["queue"]["enabled"] for job in jobs.values()} == {False}

    def test_every_task_ends_and_is_tried_again(self, jobs: Any) -> None:
        for job in jobs.values():
            assert job["timeout_seconds"] > 0
            for task in job["task"]:
                assert task["max_retries"] == 1
                assert task["timeout_seconds"] > 0

    def test_every_task_is_python_of_this_repository(self, jobs: Any) -> None:
        for job in jobs.values():
            assert job["git_source"]["url"] == "https://github.com/clinic/champion-challenger"
            for task in job["task"]:
                assert task["spark_python_task"]["source"] == "GIT"
                file = task["spark_python_task"]["python_file"]
                assert (Path(__file__).resolve().parents[2] / file).is_file()

    def test_the_machine_has_no_workers_and_says_so(self, jobs: Any) -> None:
        for job in jobs.values():
            (cluster,) = (it["new_cluster"] for it in job["job_cluster"])
            assert cluster["num_workers"] == 0
            assert cluster["spark_conf"]["spark.databricks.cluster.profile"] == "singleNode"
            assert cluster["spark_conf"]["spark.master"] == "local[*]"
            assert cluster["custom_tags"]["ResourceClass"] == "SingleNode"

    def test_packages_have_the_versions_of_the_project(self, jobs: Any) -> None:
        (ingest,) = jobs["ingestion"]["task"]

        packages = [library["pypi"]["package"] for library in ingest["library"]]
        pyproject = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
        assert {package.partition("==")[0] for package in packages} == {
            "databricks-sdk",
            "pillow",
            "pydantic",
            "pydicom",
            "python-gdcm",
            "rich",
        }
        assert all(f'"{package}"' in pyproject for package in packages)

    def test_the_shadow_is_asked_only_where_the_file_says_so(
        self, jobs: Any, platform: Synthesized, write: Write
    ) -> None:
        watched = f"{JOBS}[monitoring]\n"
        shadow = '[platform.jobs.shadow]\nexperiment = "pneumonia_ab"\nper_minute = 60\n'
        of_watched = platform(write(add=watched))["resource"]["databricks_job"]
        with_shadow = platform(write(add=watched + shadow))["resource"]["databricks_job"]

        assert set(with_shadow) - set(of_watched) == {"shadow"}
        assert set(of_watched) - set(jobs) == {"monitoring"}
        (parameters,) = (
            it["spark_python_task"]["parameters"] for it in with_shadow["shadow"]["task"]
        )
        assert [it["default"] for it in with_shadow["shadow"]["parameter"]] == [
            "dev",
            "pneumonia_ab",
        ]
        given = [
            it.replace("{{job.parameters.environment}}", "dev").replace(
                "{{job.parameters.experiment}}", "pneumonia_ab"
            )
            for it in parameters[1:]
        ]
        parsed = importlib.import_module(parameters[0]).options().parse_args(given)
        assert (parsed.experiment, parsed.per_minute, parsed.most) == ("pneumonia_ab", 60, 10_000)

    def test_without_a_repository_there_are_none(self, platform: Synthesized, write: Write) -> None:
        assert "databricks_job" not in platform(write())["resource"]


class TestProtection:
    def test_a_protected_environment_keeps_what_holds_data(self, platform: Synthesized) -> None:
        protected = dict(each(platform("prod"), *DATA))

        assert len(protected) == 17
        for address, resource in protected.items():
            assert resource["lifecycle"] == {"prevent_destroy": True}, address
            assert resource.get("force_destroy") is not True, address

    def test_what_holds_no_data_can_be_replaced(self, platform: Synthesized) -> None:
        resources = dict(each(platform("prod")))

        for address, resource in resources.items():
            if address.partition(".")[0] not in DATA:
                assert "lifecycle" not in resource, address

    def test_an_unprotected_one_goes_with_all_that_is_in_it(self, platform: Synthesized) -> None:
        dev = platform("dev")

        assert all("lifecycle" not in resource for _, resource in each(dev))
        for address, resource in each(dev, "databricks_catalog", "databricks_schema"):
            assert resource["force_destroy"] is True, address

    def test_synthesis_says_how_to_go_on(self, app: Any) -> None:
        from infra.stacks import PlatformStack

        (said,) = (
            it.data for it in PlatformStack(app, load("prod")).node.metadata if "protect" in it.data
        )

        assert "set protect = false under [platform] in infra/environments/prod.toml" in said
        assert "deploy platform-prod, and then destroy it" in said


class TestAnalysis:
    def test_a_view_comes_after_the_views_that_it_reads(self, analysis: Synthesized) -> None:
        views = analysis("dev")["resource"]["databricks_sql_table"]

        assert "depends_on" not in views["requests"]
        assert views["answers"]["depends_on"] == ["databricks_sql_table.requests"]
        assert views["predictions"]["depends_on"] == ["databricks_sql_table.answers"]
        assert "depends_on" not in views["contexts"]
        assert views["labelled"]["depends_on"] == [
            "databricks_sql_table.predictions",
            "databricks_sql_table.contexts",
        ]
        assert set(views["outcomes"]["depends_on"]) == {
            "databricks_sql_table.predictions",
            "databricks_sql_table.labelled",
        }

    def test_nothing_is_left_for_terraform_to_fill_in(self, analysis: Synthesized) -> None:
        for address, view in each(analysis("dev"), "databricks_sql_table"):
            assert not re.search(r"\$\{|\$[a-z]", view["view_definition"]), address
            assert view["view_definition"].startswith("SELECT"), address

    def test_an_environment_that_logs_nothing_has_no_views(
        self, analysis: Synthesized, write: Write
    ) -> None:
        table = '[ab_test.inference_table]\nschema = "gold"\nprefix = "pneumonia_classifier"\n'

        assert "resource" not in analysis(write((table, "")))


def test_the_stacks_do_not_read_each_others_states(
    platform: Synthesized, analysis: Synthesized
) -> None:
    for stack in (platform("dev"), analysis("dev")):
        assert "terraform_remote_state" not in stack.get("data", {})
        assert "${data.terraform" not in json.dumps(stack)


@pytest.mark.parametrize("name", available())
def test_no_secret_is_in_the_json(name: str, platform: Synthesized) -> None:
    stack = platform(name)

    assert "databricks_secret" not in stack["resource"]
    assert "string_value" not in json.dumps(stack)
    assert not {"token", "client_secret", "password"} & stack["provider"]["databricks"][0].keys()


def _principals(role: Any) -> tuple[Any, ...]:
    return role if isinstance(role, tuple) else (role,)
