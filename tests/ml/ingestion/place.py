"""A local workspace as a process of its own, and what the platform stack makes in one."""

import contextlib
import io
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.declared.environment import ENVIRONMENTS, load
from infra.declared.tables import FILM_FILES
from ml.contract.tables import BRONZE, FILMS, Table
from ml.workspace.warehouse import Row, Warehouse

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

START_SECONDS = 120
STOP_SECONDS = 120


@contextmanager
def running_workspace(folder: Path) -> Iterator[tuple[str, str]]:
    """Host and token of a local workspace that keeps its data in the folder."""
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
        process.wait(STOP_SECONDS)


def write_environment(folder: Path, name: str, host: str) -> Path:
    """The shipped local environment under another name, on that workspace."""
    shipped = (ENVIRONMENTS / "local.toml").read_text()
    file = folder / f"{name}.toml"
    file.write_text(
        re.sub(r"http://127\.0\.0\.1:\d+", host, shipped).replace(
            "healthcare_catalog_local", f"catalog_{name}"
        )
    )
    return file


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

    def sql(self, statement: str) -> list[Row]:
        return Warehouse(self.client, self.warehouse_id).execute(statement)

    def rows(self) -> list[Row]:
        return self.sql(f"SELECT * FROM {self.table} ORDER BY image_id")

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


@contextmanager
def platform(file: Path, host: str, token: str) -> Iterator[Place]:
    """Creates what ingestion needs of an environment: no film is in it yet."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.catalog import VolumeType

    environment = load(file)
    catalog = environment.catalog
    client = WorkspaceClient(host=host, token=token)
    client.catalogs.create(catalog)
    client.schemas.create(BRONZE, catalog)
    client.volumes.create(catalog, BRONZE, FILM_FILES.name, VolumeType.MANAGED)
    warehouse = client.warehouses.create(
        name=environment.warehouse_name, cluster_size="2X-Small"
    ).result()
    place = Place(file=file, catalog=catalog, client=client, warehouse_id=str(warehouse.id))
    place.sql(create_table(FILMS, catalog))
    yield place
    client.warehouses.delete(place.warehouse_id)


def create_table(table: Table, catalog: str) -> str:
    """What the platform stack makes of the declaration."""
    columns = ", ".join(
        f"{column.name} {column.type}{'' if column.nullable else ' NOT NULL'}"
        for column in table.columns
    )
    return f"CREATE TABLE {table.full_name(catalog)} ({columns})"
