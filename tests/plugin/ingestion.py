"""An environment's place in the local workspace, as the platform stack makes it for films."""

from __future__ import annotations

import contextlib
import io
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from databricks.sdk import WorkspaceClient

    from ml.contract.tables import Table
    from ml.workspace.warehouse import Row
    from tests.plugin.workspaces import RunningWorkspace


def write_environment(folder: Path, name: str, host: str) -> Path:
    """The shipped local environment under another name, on that workspace."""
    from infra.declared.environment import ENVIRONMENTS

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
    client: WorkspaceClient
    warehouse_id: str

    @property
    def table(self) -> str:
        from ml.contract.tables import FILMS

        return FILMS.full_name(self.catalog)

    @property
    def folder(self) -> str:
        from infra.declared.tables import FILM_FILES

        return f"{FILM_FILES.path(self.catalog)}/films"

    def sql(self, statement: str) -> list[Row]:
        from ml.workspace.warehouse import Warehouse

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


@contextlib.contextmanager
def platform(file: Path, host: str, token: str) -> Iterator[Place]:
    """Creates what ingestion needs of an environment: no film is in it yet."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.catalog import VolumeType

    from infra.declared.environment import load
    from infra.declared.tables import FILM_FILES
    from ml.contract.tables import BRONZE, FILMS

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


@pytest.fixture
def environment_file(
    workspace_process: RunningWorkspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], Path]:
    """Writes an environment of the workspace, with a catalog of that name, which does not exist.

    The workspace's token is where the SDK looks for it.
    """
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace_process.token)
    return lambda name: write_environment(tmp_path, name, workspace_process.host)


@pytest.fixture
def place(
    workspace_process: RunningWorkspace, environment_file: Callable[[str], Path]
) -> Iterator[Place]:
    """An environment of the test's own, with the platform that ingestion needs and no film."""
    file = environment_file(f"t{os.urandom(6).hex()}")
    with platform(file, workspace_process.host, workspace_process.token) as created:
        yield created
