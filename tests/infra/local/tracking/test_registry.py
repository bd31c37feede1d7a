"""The life of a model by MLflow's client of `databricks-uc`."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc.model import PythonModel
from mlflow.types import ColSpec, DataType, Schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

MODELS = "/api/2.1/unity-catalog/models"
NUMBERS = ModelSignature(
    inputs=Schema([ColSpec(DataType.double, "x")]), outputs=Schema([ColSpec(DataType.double)])
)
_NUMBERS = count()


class Plus(PythonModel):
    """Adds a number, by which a version is told from another."""

    def __init__(self, number: float) -> None:
        self.number = number

    def predict(self, context: Any, model_input: pd.DataFrame) -> Any:  # noqa: ARG002
        return model_input["x"] + self.number


@pytest.fixture
def name() -> str:
    """The name of a model that nobody else uses."""
    return f"base.s.uc{next(_NUMBERS)}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved model, to be registered from where it is."""
    return saved(tmp_path / "model", 1)


def saved(folder: Path, number: float, signature: ModelSignature | None = NUMBERS) -> Path:
    mlflow.pyfunc.save_model(
        folder, python_model=Plus(number), signature=signature, pip_requirements=[]
    )
    return folder


@pytest.fixture
def register(client: MlflowClient, tmp_path: Path) -> Callable[[str, float], ModelVersion]:
    def run(name: str, number: float) -> ModelVersion:
        folder = saved(tmp_path / f"{name}-{number}", number)
        return mlflow.register_model(str(folder), name, tags={"number": str(number)})

    return run


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != "registered_model_meta"
    }


def test_a_version_is_loaded_by_its_alias_and_predicts(
    client: MlflowClient, register: Callable[[str, float], ModelVersion], name: str
) -> None:
    register(name, 1)
    register(name, 10)
    client.set_registered_model_alias(name, "champion", "2")
    loaded = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    assert np.asarray(loaded.predict(pd.DataFrame({"x": [1.0, 2.0]}))).tolist() == [11.0, 12.0]
    client.set_registered_model_alias(name, "champion", "1")
    assert client.get_model_version_by_alias(name, "champion").version == "1"
    assert client.get_registered_model(name).aliases == {"champion": "1"}
    client.delete_registered_model_alias(name, "champion")
    with pytest.raises(MlflowException, match="Alias 'champion' does not exist"):
        client.get_model_version_by_alias(name, "champion")


def test_a_version_is_downloaded_byte_for_byte(
    client: MlflowClient, folder: Path, name: str, tmp_path: Path
) -> None:
    (folder / "artifacts").mkdir(exist_ok=True)
    content = np.random.default_rng(0).bytes(3_000_000)
    (folder / "artifacts" / "weights of mine.bin").write_bytes(content)
    (folder / "empty").touch()
    mlflow.register_model(str(folder), name)
    got = mlflow.artifacts.download_artifacts(f"models:/{name}/1", dst_path=str(tmp_path / "got"))
    assert files_of(Path(got)) == files_of(folder)


def test_serving_and_terraform_see_what_was_registered(
    shared_workspace: Any, register: Callable[[str, float], ModelVersion], name: str
) -> None:
    assert register(name, 1).status == "READY"
    version = shared_workspace.lake.models.version(name, 1)
    assert version.status == "READY"
    assert (Path(version.source_path.removeprefix("file://")) / "MLmodel").is_file()
    model = shared_workspace.client.get(f"{MODELS}/{name}").json()
    assert model["owner"] == shared_workspace.lake.user
    assert shared_workspace.client.get(f"{MODELS}/{name}/versions/1").json()["status"] == "READY"


def test_a_model_that_terraform_made_is_registered_to(
    shared_workspace: Any,
    client: MlflowClient,
    register: Callable[[str, float], ModelVersion],
    name: str,
) -> None:
    body = {"catalog_name": "base", "schema_name": "s", "name": name.rpartition(".")[2]}
    shared_workspace.client.post(MODELS, json={**body, "comment": "one"})
    assert register(name, 1).version == "1"
    assert client.get_registered_model(name).description == "one"


def test_tags_and_comments_are_kept_and_taken_away(
    client: MlflowClient, register: Callable[[str, float], ModelVersion], name: str
) -> None:
    register(name, 1)
    client.update_registered_model(name, "a model")
    client.update_model_version(name, "1", "a version")
    client.set_registered_model_tag(name, "of", "model")
    client.set_model_version_tag(name, "1", "of", "version")
    model, version = client.get_registered_model(name), client.get_model_version(name, "1")
    assert (model.description, model.tags) == ("a model", {"of": "model"})
    assert version.description == "a version"
    assert version.tags == {"number": "1", "of": "version"}
    client.delete_registered_model_tag(name, "of")
    client.delete_model_version_tag(name, "1", "of")
    assert client.get_registered_model(name).tags == {}
    assert client.get_model_version(name, "1").tags == {"number": "1"}


def test_models_and_versions_are_searched_for_page_by_page(
    client: MlflowClient, register: Callable[[str, float], ModelVersion], name: str
) -> None:
    client.create_registered_model(f"{name}_other")
    register(name, 1)
    register(name, 2)
    found: list[Any] = []
    token = None
    while True:
        page = client.search_registered_models(max_results=1, page_token=token)
        assert len(page) <= 1
        found += page
        token = page.token
        if not token:
            break
    assert {name, f"{name}_other"} <= {model.name for model in found}
    versions = client.search_model_versions(f"name='{name}'")
    assert sorted(version.version for version in versions) == ["1", "2"]
    first = client.search_model_versions(f"name='{name}'", max_results=1)
    second = client.search_model_versions(f"name='{name}'", max_results=1, page_token=first.token)
    assert sorted(version.version for version in [*first, *second]) == ["1", "2"]


def test_what_is_deleted_is_gone_with_its_files(
    shared_workspace: Any,
    client: MlflowClient,
    register: Callable[[str, float], ModelVersion],
    name: str,
) -> None:
    folders = []
    for number in (1, 2):
        register(name, number)
        path = shared_workspace.lake.models.version(name, number).source_path
        folders.append(Path(path.removeprefix("file://")))
    client.delete_model_version(name, "1")
    assert [folder.exists() for folder in folders] == [False, True]
    with pytest.raises(MlflowException, match="has no version 1"):
        client.get_model_version(name, "1")
    assert register(name, 3).version == "3"
    client.delete_registered_model(name)
    assert not folders[1].exists()
    with pytest.raises(MlflowException, match="does not exist"):
        client.get_registered_model(name)
    assert shared_workspace.client.get(f"{MODELS}/{name}").status_code == 404


def test_a_version_without_its_files_can_not_be_served(
    shared_workspace: Any, client: MlflowClient, name: str
) -> None:
    client.create_registered_model(name)
    body = {"name": name, "source": "dbfs:/somewhere", "tags": []}
    path = "/api/2.0/mlflow/unity-catalog/model-versions"
    created = shared_workspace.client.post(f"{path}/create", json=body).json()["model_version"]
    assert created["status"] == "PENDING_REGISTRATION"
    file = f"/api/2.0/fs/files/Models/{name.replace('.', '/')}/1/data"
    assert shared_workspace.client.put(file, content=b"half").status_code == 204
    assert shared_workspace.lake.models.version(name, 1).status == "PENDING_REGISTRATION"
    done = shared_workspace.client.post(f"{path}/finalize", json={"name": name, "version": "1"})
    assert done.json()["model_version"]["status"] == "READY"
    refused = shared_workspace.client.put(file, content=b"other")
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert shared_workspace.client.get(file).content == b"half"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("name", "specify all three levels"),
        ("base.nowhere.name", r"Schema 'base\.nowhere' does not exist"),
        ("base.s.a b", "is not a model name"),
    ],
)
def test_a_name_that_unity_catalog_does_not_take_is_refused(
    client: MlflowClient, wrong: str, said: str
) -> None:
    with pytest.raises(MlflowException, match=said):
        client.create_registered_model(wrong)


def test_a_model_that_exists_is_not_made_again(client: MlflowClient, name: str) -> None:
    client.create_registered_model(name)
    with pytest.raises(MlflowException, match="already exists") as refused:
        client.create_registered_model(name)
    assert refused.value.error_code == "RESOURCE_ALREADY_EXISTS"


@pytest.mark.parametrize("alias", ["latest", "v1", "no spaces"])
def test_reserved_aliases_are_refused(
    shared_workspace: Any, register: Callable[[str, float], ModelVersion], name: str, alias: str
) -> None:
    register(name, 1)
    answer = shared_workspace.client.post(
        "/api/2.0/mlflow/unity-catalog/registered-models/alias",
        json={"name": name, "alias": alias, "version": "1"},
    )
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_an_alias_of_no_version_is_refused(client: MlflowClient, name: str) -> None:
    client.create_registered_model(name)
    with pytest.raises(MlflowException, match="has no version 4"):
        client.set_registered_model_alias(name, "champion", "4")


def test_a_model_without_outputs_in_its_signature_is_refused(
    client: MlflowClient, tmp_path: Path, name: str
) -> None:
    inputs_alone = ModelSignature(inputs=NUMBERS.inputs)
    with pytest.raises(MlflowException, match="includes only inputs"):
        mlflow.register_model(str(saved(tmp_path / "model", 1, inputs_alone)), name)
    assert list(client.search_model_versions(f"name='{name}'")) == []


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("POST", "model-versions/generate-temporary-credentials"),
        ("POST", "prompts"),
        ("GET", "model-versions/create"),
    ],
)
def test_what_is_not_emulated_says_so(
    shared_workspace: Any, client: MlflowClient, method: str, call: str
) -> None:
    answer = shared_workspace.client.request(method, f"/api/2.0/mlflow/unity-catalog/{call}")
    assert (answer.status_code, answer.json()["error_code"]) == (501, "NOT_IMPLEMENTED")


def test_a_message_that_is_none_is_refused(shared_workspace: Any, client: MlflowClient) -> None:
    path = "/api/2.0/mlflow/unity-catalog/registered-models/create"
    for body in (b"{", b"[1]", b'{"name": 1}', b'{"name": {"a": 1}}'):
        answer = shared_workspace.client.post(path, content=body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")
