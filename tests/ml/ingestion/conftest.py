"""A local workspace as a process of its own, environments in it, and films to deliver."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from infra.environment import ENVIRONMENTS
from infra.tables import FILM_FILES
from ml.data.source import BUNDLED
from ml.tables import BRONZE, FILMS, Table

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from numpy.typing import NDArray

    from ml.warehouse import Row

START_SECONDS = 120

# File names as Kaggle has them, by class.
NAMES = {
    "NORMAL": "IM-{patient:04}-{film:04}.{suffix}",
    "PNEUMONIA": "person{patient}_virus_{film}.{suffix}",
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """An environment whose platform exists: catalog, schema, volume, table, warehouse."""

    file: Path
    """The environment file, for `--environment`."""
    catalog: str
    client: "WorkspaceClient"
    warehouse_id: str

    @property
    def table(self) -> str:
        return FILMS.full_name(self.catalog)

    @property
    def folder(self) -> str:
        return f"{FILM_FILES.path(self.catalog)}/films"

    def sql(self, statement: str) -> "list[Row]":
        from ml.warehouse import Warehouse

        return Warehouse(self.client, self.warehouse_id).execute(statement)

    def rows(self) -> "list[Row]":
        return self.sql(f"SELECT * FROM {self.table} ORDER BY image_id")  # noqa: S608 - its own table

    def files(self) -> dict[str, int]:
        """Name and size of every file in the volume."""
        from databricks.sdk.errors import NotFound

        with contextlib.suppress(NotFound):
            listing = self.client.files.list_directory_contents(self.folder)
            return {str(entry.path): entry.file_size or 0 for entry in listing}
        return {}

    def content(self, path: str) -> bytes:
        contents = self.client.files.download(path).contents
        assert contents is not None
        return contents.read()

    def put(self, path: str, content: bytes) -> None:
        self.client.files.upload(path, io.BytesIO(content), overwrite=True)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Host and token of a running local workspace."""
    folder = tmp_path_factory.mktemp("workspace")
    data = folder / "data"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "infra.local", "--port", "0", "--data", str(data)),
            *("--registry", f"sqlite:///{folder}/mlflow.db"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    alarm = threading.Timer(START_SECONDS, process.kill)
    alarm.start()
    try:
        assert process.stdout is not None
        hosts = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in process.stdout)
        host = next((found[0] for found in hosts if found), None)
        assert host, "the local workspace did not start"
        alarm.cancel()
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield host, (data / "token").read_text().strip()
    finally:
        alarm.cancel()
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.fixture
def signed_in(workspace: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The workspace's host; the token is where the SDK looks for it, and nothing else is."""
    host, token = workspace
    for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABRICKS_TOKEN", token)
    return host


@pytest.fixture
def environment_file(signed_in: str, tmp_path: Path) -> Callable[[str], Path]:
    """Writes an environment of the workspace, with a catalog of that name, which does not exist."""

    def write(name: str) -> Path:
        shipped = (ENVIRONMENTS / "local.toml").read_text()
        file = tmp_path / f"{name}.toml"
        file.write_text(
            re.sub(r"http://127\.0\.0\.1:\d+", signed_in, shipped).replace(
                "healthcare_catalog_local", f"catalog_{name}"
            )
        )
        return file

    return write


@pytest.fixture
def place(
    workspace: tuple[str, str],
    environment_file: Callable[[str], Path],
) -> Iterator[Place]:
    """An environment of the test's own, with the platform that ingestion needs and no film."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.catalog import VolumeType

    from infra.environment import load

    name = f"t{os.urandom(6).hex()}"
    file = environment_file(name)
    environment = load(file)
    host, token = workspace
    client = WorkspaceClient(host=host, token=token)
    catalog = environment.catalog
    client.catalogs.create(catalog)
    client.schemas.create(BRONZE, catalog)
    client.volumes.create(catalog, BRONZE, FILM_FILES.name, VolumeType.MANAGED)
    warehouse = client.warehouses.create(
        name=environment.warehouse_name, cluster_size="2X-Small"
    ).result()
    created = Place(file=file, catalog=catalog, client=client, warehouse_id=str(warehouse.id))
    created.sql(create_table(FILMS, catalog))
    yield created
    client.warehouses.delete(created.warehouse_id)


def create_table(table: Table, catalog: str) -> str:
    """What the platform stack makes of the declaration."""
    columns = ", ".join(
        f"{column.name} {column.type}{'' if column.nullable else ' NOT NULL'}"
        for column in table.columns
    )
    return f"CREATE TABLE {table.full_name(catalog)} ({columns})"


class Delivery:
    """A folder of the Kaggle layout with real films; every film is another one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with np.load(BUNDLED) as bundled:
            _, first = np.unique(bundled["train_images"], axis=0, return_index=True)
            chosen = np.sort(first)
            labels = bundled["train_labels"][chosen, 0]
            images = bundled["train_images"][chosen]
        self._images: dict[str, Iterator[NDArray[np.uint8]]] = {
            "NORMAL": iter(images[labels == 0]),
            "PNEUMONIA": iter(images[labels == 1]),
        }

    def add(
        self, part: str, label: str, films: int, *, patient: int = 1, suffix: str = "jpeg"
    ) -> list[Path]:
        """Writes films of one patient; of as many patients as films if the patient is 0."""
        made = []
        for film in range(films):
            name = NAMES[label].format(patient=patient or film + 1, film=film, suffix=suffix)
            made.append(self.put(f"{part}/{label}/{name}", self.film(label, suffix)))
        return made

    def film(self, label: str, suffix: str = "jpeg") -> bytes:
        """The next film of a class as a file."""
        file = io.BytesIO()
        image = Image.fromarray(next(self._images[label]))
        image.save(file, {"jpeg": "JPEG", "png": "PNG"}[suffix], quality=90)
        return file.getvalue()

    def put(self, place: str, content: bytes) -> Path:
        file = self.folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """An empty folder that films can be put into."""
    return Delivery(tmp_path / "chest_xray")


@dataclass(frozen=True, kw_only=True)
class Run:
    """How the command ended and what it said."""

    status: int
    output: str
    errors: str


@pytest.fixture
def ingest(capfd: pytest.CaptureFixture[str]) -> Callable[..., "Run"]:
    """Runs the command in this process."""

    def run(*arguments: str | Path) -> Run:
        from ml import ingest
        from ml.command import run

        command = ingest.main
        status = run("ml.ingest", lambda _: command([str(argument) for argument in arguments]))
        captured = capfd.readouterr()
        return Run(status=status, output=captured.out, errors=captured.err)

    return run
