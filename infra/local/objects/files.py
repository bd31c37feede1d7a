"""Uploads by the Files API: as they come, and whole or not at all.

minilake, which answers every other call of it, would hold a file in memory, and leave the half of
one where the disk is full. API: https://docs.databricks.com/api/workspace/files/upload.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

from infra.local.emulator import file_on_disk
from infra.local.refusal import Refusal, invalid, unwritten

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

PATH: Final = "/api/2.0/fs/files/{path:path}"
MAX_FILE_BYTES: Final = 5 * 1024**3
"""https://docs.databricks.com/aws/en/volumes/volume-files: the limit of an upload."""


class Uploads:
    """Files that are coming; until one is whole it is in the folder `drafts`."""

    def __init__(self, drafts: Path) -> None:
        self._drafts = drafts
        for left_by_a_kill in drafts.glob("*"):
            left_by_a_kill.unlink()

    async def receive(self, request: Request, file: Path) -> Response:
        """The body of the request as the file."""
        if file.exists() and request.query_params.get("overwrite", "true").lower() == "false":
            path = request.url.path.partition("/fs/files")[2]
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", f"Path '{path}' already exists")
        if file.is_dir():
            raise invalid(f"{file.name} is a directory.")
        self._drafts.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._drafts)
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                await _receive(request, stream.write)
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(draft, file)  # another disk's, perhaps
        except OSError as error:
            raise unwritten(error) from error
        finally:
            draft.unlink(missing_ok=True)
        return Response(status_code=204)


def routes(uploads: Uploads) -> list[Route]:
    """The upload of a file."""

    async def upload(request: Request) -> Response:
        return await uploads.receive(request, file_on_disk(request.path_params["path"]))

    return [Route(PATH, upload, methods=["PUT"])]


async def _receive(request: Request, write: Callable[[bytes], object]) -> None:
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_FILE_BYTES:
            raise Refusal(
                413, "REQUEST_SIZE_EXCEEDED", f"A file has at most {MAX_FILE_BYTES} bytes (5 GiB)."
            )
        await asyncio.to_thread(write, part)
