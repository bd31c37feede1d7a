"""The files of model versions, runs and logged models by the Files API, where MLflow's client of
Databricks looks for them.

Sources: MLflow's DatabricksSDKModelsArtifactRepository, DatabricksRunArtifactRepository and
DatabricksLoggedModelArtifactRepository. On disk they are where MLflow keeps them by itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from infra.local.catalog.model_rules import refusals
from infra.local.catalog.models import ModelNotFound, local_folder
from infra.local.refusal import Refusal, missing, not_emulated

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from infra.local.catalog.models import RegisteredModels
    from infra.local.objects.files import Uploads
    from infra.local.tracking.runs_api import RunsApi

FILES: Final = "/api/2.0/fs/files"
FOLDERS: Final = "/api/2.0/fs/directories"
_VERSION: Final = "/Models/{catalog}/{schema}/{model}/{version:int}"
_RUN: Final = "/WorkspaceInternal/Mlflow/Artifacts/{experiment}/Runs/{run}/artifacts"
_LOGGED_MODEL: Final = (
    "/WorkspaceInternal/Mlflow/Artifacts/{experiment}/LoggedModels/{logged_model}/artifacts"
)


@dataclass(frozen=True, kw_only=True)
class _Place:
    path: Path
    """Below the root, whatever was asked for."""
    closed: str = ""
    """Why nothing may be written there."""


class ArtifactsApi:
    """Up and down, and what is there."""

    def __init__(self, models: RegisteredModels, runs: RunsApi, uploads: Uploads) -> None:
        self._models = models
        self._runs = runs
        self._uploads = uploads

    def routes(self) -> list[Route]:
        """Files and folders below each of the three roots."""
        return [
            route
            for root in (_VERSION, _RUN, _LOGGED_MODEL)
            for route in (
                Route(f"{FILES}{root}/{{path:path}}", self._download, methods=["GET"]),
                Route(f"{FILES}{root}/{{path:path}}", self._upload, methods=["PUT"]),
                Route(f"{FILES}{root}/{{path:path}}", self._remove, methods=["DELETE"]),
                *(
                    Route(f"{FOLDERS}{root}{below}", self._list, methods=["GET"])
                    for below in ("", "/{path:path}")
                ),
            )
        ]

    async def _download(self, request: Request) -> Response:
        place = await asyncio.to_thread(self._place, request)
        if not place.path.is_file():
            raise _nothing_at(request)
        return FileResponse(place.path, media_type="application/octet-stream")

    async def _upload(self, request: Request) -> Response:
        place = await asyncio.to_thread(self._place, request)
        _require_open(place)
        return await self._uploads.receive(request, place.path)

    async def _remove(self, request: Request) -> Response:
        place = await asyncio.to_thread(self._place, request)
        _require_open(place)
        if not place.path.is_file():
            raise _nothing_at(request)
        place.path.unlink()
        return Response(status_code=204)

    async def _list(self, request: Request) -> Response:
        place = await asyncio.to_thread(self._place, request)
        if not place.path.is_dir():
            raise _nothing_at(request)
        shown = request.url.path.removeprefix(FOLDERS).rstrip("/")
        found = sorted(place.path.iterdir())
        return JSONResponse({"contents": [_described(shown, file) for file in found]})

    def _place(self, request: Request) -> _Place:
        asked = request.path_params
        closed = ""
        with refusals():
            if "run" in asked:
                info = self._runs.store.get_run(asked["run"]).info
                location, experiment = info.artifact_uri, info.experiment_id
            elif "logged_model" in asked:
                model = self._runs.store.get_logged_model(asked["logged_model"])
                location, experiment = model.artifact_location, model.experiment_id
            else:
                location, closed = self._version(asked)
                experiment = None
        if experiment is not None and str(experiment) != asked["experiment"]:
            raise _nothing_at(request)
        root = local_folder(location)
        if root is None:
            raise not_emulated(f"Files at {location.partition(':')[0]}:")
        path = root.joinpath(asked.get("path", "")).resolve()
        if not path.is_relative_to(root):
            raise _nothing_at(request)
        return _Place(path=path, closed=closed)

    def _version(self, asked: dict[str, Any]) -> tuple[str, str]:
        """Where the files of a version are, and why they are not changed."""
        name = ".".join(asked[part] for part in ("catalog", "schema", "model"))
        try:
            version = self._models.version(name, asked["version"])
        except ModelNotFound as problem:
            raise missing(str(problem)) from problem
        if version.status == "PENDING_REGISTRATION":
            return version.source_path, ""
        return version.source_path, f"Version {version.version} of {name} is {version.status}"


def _require_open(place: _Place) -> None:
    if place.closed:
        raise Refusal(403, "PERMISSION_DENIED", f"{place.closed}: its files are not changed.")


def _nothing_at(request: Request) -> Refusal:
    return missing(f"Path '{request.url.path.removeprefix(FILES).removeprefix(FOLDERS)}' not found")


def _described(folder: str, file: Path) -> dict[str, Any]:
    status = file.stat()
    described = {
        "path": f"{folder}/{file.name}",
        "name": file.name,
        "is_directory": file.is_dir(),
        "last_modified": int(status.st_mtime * 1000),
    }
    return described if file.is_dir() else described | {"file_size": status.st_size}
