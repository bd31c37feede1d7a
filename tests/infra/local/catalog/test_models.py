"""Registered models of Unity Catalog over the MLflow registry that training writes."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "/api/2.1/unity-catalog/models"


_NUMBERS = count()


@pytest.fixture(scope="module", autouse=True)
def _registry(shared_workspace: Any, empty_registry: Path) -> None:
    shutil.copy(empty_registry, shared_workspace.folder / empty_registry.name)


@pytest.fixture
def name() -> str:
    """The name of a model that nobody else uses."""
    return f"m{next(_NUMBERS)}"


@pytest.fixture
def register(shared_workspace: Any) -> Callable[[str], int]:
    """Registers a version as training does, with MLflow's own client, and answers its number."""
    import mlflow

    mlflow.set_tracking_uri(shared_workspace.registry_uri)
    mlflow.set_registry_uri(shared_workspace.registry_uri)
    found = mlflow.get_experiment_by_name("test")
    artifacts = str(shared_workspace.folder / "artifacts")
    experiment = found.experiment_id if found else mlflow.create_experiment("test", artifacts)

    @mlflow.pyfunc.utils.pyfunc
    def predict(model_input: list[str]) -> list[str]:
        return model_input

    def run(model: str) -> int:
        with mlflow.start_run(experiment_id=experiment):
            logged = mlflow.pyfunc.log_model(
                name="model",
                python_model=predict,
                registered_model_name=f"base.s.{model}",
                pip_requirements=[],
            )
        return int(logged.registered_model_version)

    return run


def create(shared_workspace: Any, name: str, **fields: Any) -> Any:
    body = {"catalog_name": "base", "schema_name": "s", "name": name, **fields}
    return shared_workspace.client.post(PATH, json=body)


def test_a_model_made_by_terraform_is_the_one_that_training_registers_to(
    shared_workspace: Any, register: Callable[[str], int], name: str
) -> None:
    assert create(shared_workspace, name, comment="one").status_code == 200
    assert register(name) == 1
    model = shared_workspace.client.get(f"{PATH}/base.s.{name}").json()
    assert (model["full_name"], model["comment"]) == (f"base.s.{name}", "one")
    versions = shared_workspace.client.get(f"{PATH}/base.s.{name}/versions").json()[
        "model_versions"
    ]
    assert [(version["version"], version["status"]) for version in versions] == [(1, "READY")]


def test_a_model_that_training_made_is_found_and_cannot_be_made_again(
    shared_workspace: Any, register: Callable[[str], int], name: str
) -> None:
    register(name)
    assert shared_workspace.client.get(f"{PATH}/base.s.{name}").status_code == 200
    answer = create(shared_workspace, name)
    assert answer.status_code == 409
    assert answer.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert "Import it" in answer.json()["message"]


def test_serving_finds_the_files_of_a_version(
    shared_workspace: Any, register: Callable[[str], int], name: str
) -> None:
    register(name)
    register(name)
    version = shared_workspace.lake.models.version(f"base.s.{name}", 2)
    assert (version.name, version.version, version.status) == (f"base.s.{name}", 2, "READY")
    folder = Path(version.source_path.removeprefix("file://"))
    assert (folder / "MLmodel").is_file()


def test_the_files_of_a_version_are_downloaded_as_mlflow_downloads_them(
    shared_workspace: Any, register: Callable[[str], int], name: str
) -> None:
    from databricks.sdk.errors import NotFound

    register(name)
    client = shared_workspace.sdk()

    with client.files.download(f"/Models/base/s/{name}/1/MLmodel").contents as content:
        assert b"flavors:" in content.read()
    for missing in (f"{name}/1/nothing", f"{name}/2/MLmodel", f"{name}/1/../../../mlflow.db"):
        with pytest.raises(NotFound):
            client.files.download(f"/Models/base/s/{missing}")


def test_serving_is_told_what_is_missing(
    shared_workspace: Any, register: Callable[[str], int], name: str
) -> None:
    from infra.local.catalog.models import ModelNotFound

    with pytest.raises(ModelNotFound, match=r"'base\.s\.none' does not exist"):
        shared_workspace.lake.models.version("base.s.none", 1)
    register(name)
    with pytest.raises(ModelNotFound, match="has no version 7; its versions: 1"):
        shared_workspace.lake.models.version(f"base.s.{name}", 7)


def test_aliases_are_mlflows(
    shared_workspace: Any, register: Callable[[str], int], name: str
) -> None:
    from mlflow import MlflowClient

    register(name)
    alias = f"{PATH}/base.s.{name}/aliases/champion"
    assert shared_workspace.client.put(alias, json={"version_num": 1}).status_code == 200
    assert MlflowClient().get_model_version_by_alias(f"base.s.{name}", "champion").version == 1
    assert shared_workspace.client.get(alias).json()["version"] == 1
    assert "aliases" not in shared_workspace.client.get(f"{PATH}/base.s.{name}").json()
    model = shared_workspace.client.get(f"{PATH}/base.s.{name}?include_aliases=true").json()
    assert model["aliases"] == [{"alias_name": "champion", "version_num": 1}]
    register(name)
    for version, aliases in ((1, model["aliases"]), (2, [])):
        path = f"{PATH}/base.s.{name}/versions/{version}"
        shown = shared_workspace.client.get(f"{path}?include_aliases=true").json()
        assert shown["aliases"] == aliases
        assert "aliases" not in shared_workspace.client.get(path).json()
    assert shared_workspace.client.delete(alias).status_code == 200
    assert shared_workspace.client.get(alias).status_code == 404


@pytest.mark.parametrize("alias", ["latest", "v1", "no spaces"])
def test_reserved_aliases_are_refused(
    shared_workspace: Any, register: Callable[[str], int], name: str, alias: str
) -> None:
    register(name)
    answer = shared_workspace.client.put(
        f"{PATH}/base.s.{name}/aliases/{alias}", json={"version_num": 1}
    )
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    ("fields", "status", "error_code"),
    [
        ({"schema_name": "nowhere"}, 404, "SCHEMA_DOES_NOT_EXIST"),
        ({"name": "a.b"}, 400, "INVALID_PARAMETER_VALUE"),
        ({"name": ""}, 400, "INVALID_PARAMETER_VALUE"),
        ({"storage_location": "s3://x"}, 501, "NOT_IMPLEMENTED"),
    ],
)
def test_what_is_no_model_is_refused(
    shared_workspace: Any, fields: dict[str, str], status: int, error_code: str
) -> None:
    answer = create(shared_workspace, **{"name": "refused", **fields})
    assert (answer.status_code, answer.json()["error_code"]) == (status, error_code)


def test_owner_and_comment_can_be_changed(shared_workspace: Any, name: str) -> None:
    create(shared_workspace, name, comment="one")
    body = {"comment": "two", "owner": "group"}
    answer = shared_workspace.client.patch(f"{PATH}/base.s.{name}", json=body)
    assert answer.status_code == 200
    model = shared_workspace.client.get(f"{PATH}/base.s.{name}").json()
    assert (model["comment"], model["owner"]) == ("two", "group")


def test_a_deleted_model_is_gone_from_the_registry(
    shared_workspace: Any, register: Callable[[str], int], name: str
) -> None:
    register(name)
    assert shared_workspace.client.delete(f"{PATH}/base.s.{name}").status_code == 200
    assert shared_workspace.client.get(f"{PATH}/base.s.{name}").status_code == 404
    assert shared_workspace.lake.models.model(f"base.s.{name}") is None


def test_the_sdk_manages_models(
    shared_workspace: Any, register: Callable[[str], int], name: str
) -> None:
    from databricks.sdk.errors import NotFound

    sdk = shared_workspace.sdk()
    created = sdk.registered_models.create(
        catalog_name="base", schema_name="s", name=name, comment="one"
    )
    assert created.full_name == f"base.s.{name}"
    register(name)
    assert f"base.s.{name}" in [model.full_name for model in sdk.registered_models.list()]
    assert sdk.registered_models.update(f"base.s.{name}", comment="two").comment == "two"
    sdk.registered_models.set_alias(f"base.s.{name}", "champion", 1)
    assert (
        sdk.registered_models.get(f"base.s.{name}", include_aliases=True).aliases[0].version_num
        == 1
    )
    assert sdk.model_versions.get_by_alias(f"base.s.{name}", "champion").version == 1
    assert [v.version for v in sdk.model_versions.list(f"base.s.{name}")] == [1]
    sdk.model_versions.update(f"base.s.{name}", 1, comment="first")
    assert sdk.model_versions.get(f"base.s.{name}", 1).comment == "first"
    sdk.model_versions.delete(f"base.s.{name}", 1)
    sdk.registered_models.delete(f"base.s.{name}")
    with pytest.raises(NotFound):
        sdk.registered_models.get(f"base.s.{name}")
