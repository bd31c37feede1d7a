"""The files of a model version by the Files API, under `/Models/CATALOG/SCHEMA/MODEL/VERSION/`.

Source: MLflow's DatabricksSDKModelsArtifactRepository, which downloads from there.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlparse

from starlette.responses import Response
from starlette.routing import Route

from infra.local.catalog.models import ModelNotFound
from infra.local.refusal import missing, not_emulated

if TYPE_CHECKING:
    from starlette.requests import Request

    from infra.local.catalog.models import RegisteredModels

PATH: Final = "/api/2.0/fs/files/Models/{catalog}/{schema}/{model}/{version:int}/{file:path}"


def routes(models: RegisteredModels) -> list[Route]:
    """Downloads; a version's files are never changed."""

    async def download(request: Request) -> Response:
        return Response(
            await asyncio.to_thread(_content, models, request),
            media_type="application/octet-stream",
        )

    return [Route(PATH, download, methods=["GET"])]


def _content(models: RegisteredModels, request: Request) -> bytes:
    place = request.path_params
    name = ".".join(place[part] for part in ("catalog", "schema", "model"))
    try:
        location = models.version(name, place["version"]).source_path
    except ModelNotFound as problem:
        raise missing(str(problem)) from problem
    parsed = urlparse(location)
    if parsed.scheme not in ("", "file"):
        raise not_emulated(f"files of a model at {parsed.scheme}://")
    folder = Path(unquote(parsed.path)).resolve()
    file = folder.joinpath(place["file"]).resolve()
    if not file.is_relative_to(folder) or not file.is_file():
        raise missing(f"Path '{request.url.path}' not found")
    return file.read_bytes()
