"""The MLflow registry: a SQLite file on a laptop, Unity Catalog on Databricks, by one code."""

import errno
import logging
import os
import signal
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.contract.arms import TRAINING
from ml.contract.errors import UserError
from ml.contract.task import Size, edges_of, size_of
from ml.workspace.moved_registry import ARTIFACTS, follow

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import PyFuncModel

LOCAL_FOLDER = Path(".local")
"""Relative to the working directory, which is the repository's root."""
LOCAL_TRACKING_URI = f"sqlite:///{LOCAL_FOLDER}/mlflow.db"
LOCAL_ARTIFACTS = LOCAL_FOLDER / ARTIFACTS
DATABRICKS_REGISTRY_URI = "databricks-uc"
DATABRICKS_TRACKING_URI = "databricks"

# MLflow's own defaults keep on for minutes; a wrong host or token should be said at once. What
# the user has set is left alone.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DATABRICKS_ENDPOINT_HTTP_RETRY_TIMEOUT": "30",
}


_OF_ANOTHER_RUN = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_DEFAULT_ARTIFACT_ROOT")

_SECONDS_TO_ANSWER = 15

_FOREIGN = "model"
"""The folder of a model that was logged elsewhere, in its run."""


class RegistryError(UserError):
    """The registry does not answer, refuses, or does not have what was asked for."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One registered version."""

    name: str
    version: int
    tags: Mapping[str, str]


class Registry:
    """A connection that has been tried."""

    def __init__(self, uri: str | None = None, *, local: bool = False) -> None:
        """``uri`` None takes MLFLOW_REGISTRY_URI and MLFLOW_TRACKING_URI, or else the local file.

        ``local`` takes nothing of the shell that leads off this machine: for an environment whose
        workspace is here. Raises RegistryError.
        """
        if local and uri is None:
            _stay_here()
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        self.tracking_uri, self.uri = _addresses(uri)
        import mlflow

        _quiet()
        if self.tracking_uri == LOCAL_TRACKING_URI:
            with _private():
                _make_local_folder()
            follow(LOCAL_FOLDER / "mlflow.db")
        with _explained(self.uri), _private():
            _require_an_answer(self.uri)
            mlflow.set_tracking_uri(self.tracking_uri)
            mlflow.set_registry_uri(self.uri)
            self.client: MlflowClient = mlflow.MlflowClient()
            self.client.search_registered_models(max_results=1)

    def versions(self, name: str) -> list["ModelVersion"]:
        """Every version of a model, the newest first; none where the model does not exist."""
        with _explained(self.uri):
            found = self.client.search_model_versions(f"name='{name}'")
        return sorted(found, key=lambda version: int(version.version), reverse=True)

    def existing(self, name: str, identity: Mapping[str, str]) -> Registration | None:
        """The newest version that has all these tags, or None."""
        for version in self.versions(name):
            number = int(version.version)
            if version.status == "READY":
                # Asked for one by one: Unity Catalog leaves the tags out of its lists.
                tags = self.tags(name, number)
                if identity.items() <= tags.items():
                    return Registration(name=name, version=number, tags=tags)
        return None

    def tags(self, name: str, version: int) -> dict[str, str]:
        """Raises RegistryError, with the versions that exist, where there is no such one."""
        self._require(name, version)
        with _explained(self.uri):
            return dict(self.client.get_model_version(name, str(version)).tags)

    @contextmanager
    def experiment(self, environment: str) -> Iterator[str]:
        """A run in the environment's experiment: its id."""
        import mlflow

        with _explained(self.uri), _private():
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", f"/Shared/pneumonia-{environment}")
            found = self.client.get_experiment_by_name(name)
            if found is None:
                local = self.tracking_uri == LOCAL_TRACKING_URI
                artifacts = LOCAL_ARTIFACTS.absolute().as_uri() if local else None
                identity = self.client.create_experiment(name, artifact_location=artifacts)
            else:
                identity = found.experiment_id
            with mlflow.start_run(experiment_id=identity) as run:
                yield run.info.run_id

    def register(
        self, name: str, model_uri: str, tags: Mapping[str, str], description: str
    ) -> Registration:
        """Makes a logged model a version with its tags.

        An interruption comes too late here: half a version would be left.
        """
        import mlflow

        with _explained(self.uri), _uninterrupted(), _private():
            version = mlflow.register_model(model_uri, name, tags=dict(tags))
            self.client.update_model_version(name, version.version, description=description)
        return Registration(name=name, version=int(version.version), tags=tags)

    def register_folder(
        self,
        name: str,
        folder: Path,
        tags: Mapping[str, str],
        description: str,
        environment: str,
    ) -> Registration:
        """Makes the model in a folder a version, kept with a run of an environment's experiment."""
        import mlflow

        with self.experiment(environment) as run:
            mlflow.set_tags(dict(tags))
            mlflow.log_artifacts(str(folder), _FOREIGN)
        return self.register(name, f"runs:/{run}/{_FOREIGN}", tags, description)

    def load(self, name: str, version: int) -> "PyFuncModel":
        """A registered version as MLflow's generic model.

        Raises RegistryError, with the versions that exist, where there is no such one.
        """
        import mlflow

        self._require(name, version)
        with _explained(self.uri), _private():
            model: PyFuncModel = mlflow.pyfunc.load_model(f"models:/{name}/{version}")
        return model

    def download(self, name: str, version: int, path: str, folder: Path) -> Path | None:
        """A file among a version's artifacts, in ``folder``; None where the version has none.

        Raises RegistryError, with the versions that exist, where there is no such one.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        self._require(name, version)
        with _explained(self.uri):
            try:
                downloaded = download_artifacts(
                    artifact_uri=f"models:/{name}/{version}/{path}", dst_path=str(folder)
                )
            except (MlflowException, OSError):
                return None
        return Path(downloaded)

    def _require(self, name: str, version: int) -> None:
        existing = [int(found.version) for found in self.versions(name)]
        if version not in existing:
            raise RegistryError(
                f"{name} has no version {version} in {self.uri}: {self._held(existing)}. "
                f"Take one that exists, or register one: {', '.join(TRAINING)}"
            )

    def _held(self, versions: list[int]) -> str:
        if versions:
            return f"it has version {', '.join(map(str, sorted(versions)))}"
        with _explained(self.uri):
            models = sorted(model.name for model in self.client.search_registered_models())
        return f"the models there are {', '.join(models)}" if models else "no model is there"


def serving_signature(image_size: Size) -> "ModelSignature":
    """Of both arms: images [n, h, w, 1] in [0, 1] to probabilities of PNEUMONIA [n, 1]."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    float32 = np.dtype(np.float32)
    return ModelSignature(
        inputs=Schema([TensorSpec(float32, (-1, *edges_of(image_size), 1))]),
        outputs=Schema([TensorSpec(float32, (-1, 1))]),
    )


def image_size(model: "PyFuncModel", name: str) -> Size:
    """The size of the images that a model's signature asks for. Raises RegistryError."""
    signature: Any = model.metadata.signature
    shapes = (
        [tuple(spec.shape) for spec in signature.inputs if hasattr(spec, "shape")]
        if (signature is not None and signature.inputs is not None)
        else []
    )
    match shapes:
        case [(-1, int(height), int(width), 1)] if min(height, width) > 0:
            return size_of(height, width)
    raise RegistryError(
        f"{name} does not keep the serving contract: its signature takes "
        f"{signature.inputs if signature else 'nothing known'}; one tensor of shape "
        "(-1, height, width, 1) is needed."
    )


def _addresses(uri: str | None) -> tuple[str, str]:
    """The tracking and the registry address."""
    tracking = os.environ.get("MLFLOW_TRACKING_URI")
    registry = uri or os.environ.get("MLFLOW_REGISTRY_URI")
    if tracking is None:
        on_databricks = registry is not None and registry.startswith("databricks")
        # A version in Unity Catalog links to its run, which Databricks must know then.
        tracking = DATABRICKS_TRACKING_URI if on_databricks else LOCAL_TRACKING_URI
    return tracking, registry or tracking


def _stay_here() -> None:
    """Forgets MLflow's variables but those that name a file of this machine."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        is_address = name.endswith("_URI")
        is_here = os.environ[name].startswith(("sqlite:", "file:", "/", "."))
        if name in _OF_ANOTHER_RUN or (is_address and not is_here):
            del os.environ[name]


def _make_local_folder() -> None:
    try:
        LOCAL_ARTIFACTS.mkdir(parents=True, exist_ok=True)
        # Now, and not when a model of hours is to be registered.
        for needed in (LOCAL_FOLDER, LOCAL_ARTIFACTS, LOCAL_FOLDER / "mlflow.db"):
            if needed.exists() and not os.access(needed, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(needed))
    except OSError as error:
        raise RegistryError(
            f"cannot make {LOCAL_ARTIFACTS.absolute()} for the local registry: {error}. Run from "
            "the repository's root, or set MLFLOW_TRACKING_URI."
        ) from error


def _quiet() -> None:
    """Keeps migrations, hints and bars of libraries out of a command's output."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"mlflow\.")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _private() -> Iterator[None]:
    """What MLflow writes on this machine meanwhile is for its owner alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turns what MLflow and the Databricks SDK raise into a RegistryError."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        raise RegistryError(
            f"the registry {uri} failed: {_first_line(error)}\n{_way_out(uri)}"
        ) from error


def _first_line(error: Exception) -> str:
    from requests import ConnectionError as NoConnection

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NoConnection):
            return "its host does not answer"
        cause = cause.__cause__ or cause.__context__
    return str(error).strip().splitlines()[0]


def _require_an_answer(uri: str) -> None:
    """The Databricks SDK asks a host that is not there for five minutes, whatever is set."""
    import requests

    host = os.environ.get("DATABRICKS_HOST")
    if host and uri.startswith("databricks"):
        requests.head(host if "://" in host else f"https://{host}", timeout=_SECONDS_TO_ANSWER)


def _way_out(uri: str) -> str:
    if uri.startswith("databricks"):
        return (
            "Set DATABRICKS_HOST and DATABRICKS_TOKEN (or DATABRICKS_CONFIG_PROFILE) for an "
            "account that may use the catalog and its schema, or leave --registry out for the "
            "local registry."
        )
    return (
        "Check MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI, or unset them for the local registry "
        f"in {LOCAL_FOLDER}."
    )
