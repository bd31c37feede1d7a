"""The pictures that readers see, and which predictions are about the same one.

A request id of `ml.client` says which film it is about, and the film is in the volume if it was
ingested. Of any other request there is what serving has logged: the picture that the model had. A
picture leaves this module as a PNG of grey values alone, so that nothing which a file says about
itself comes with it.
"""

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageOps

from infra.declared.analysis import Analysis
from ml.data.film_file import SUFFIXES, UnreadableFilm, opened
from ml.data.image_id import image_id_in
from ml.ingestion.store import film_folder
from ml.reading_room.sampler import Drawn
from ml.workspace.connection import explained
from ml.workspace.warehouse import Warehouse

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from infra.declared.environment import Environment

_NAMES: Final = """
SELECT
  prediction.prediction_id,
  sha2(
    get_json_object(payload.request, CONCAT('$.inputs[', prediction.image_index, ']')), 256
  ) AS film
FROM IDENTIFIER(:predictions) AS prediction
JOIN (SELECT explode(from_json(:wanted, 'ARRAY<STRING>')) AS prediction_id) AS wanted
  ON wanted.prediction_id = prediction.prediction_id
JOIN IDENTIFIER(:payload) AS payload
  ON payload.databricks_request_id = prediction.databricks_request_id
WHERE prediction.answer_number = 1
"""

_PICTURE: Final = """
SELECT
  get_json_object(payload.request, CONCAT('$.inputs[', prediction.image_index, ']')) AS picture
FROM IDENTIFIER(:predictions) AS prediction
JOIN IDENTIFIER(:payload) AS payload
  ON payload.databricks_request_id = prediction.databricks_request_id
WHERE prediction.answer_number = 1 AND prediction.prediction_id = :prediction_id
"""

_NAMES_A_STATEMENT: Final = 500

_WHITE: Final = 255


class NoPicture(Exception):
    """A film that cannot be shown: neither its file nor what was sent of it is there."""


class IngestedFilms:
    """The volume that `ml.ingest` fills. Thread-safe."""

    def __init__(self, client: "WorkspaceClient", environment: "Environment") -> None:
        self._client = client
        self._folder = film_folder(environment.catalog)

    def content(self, image_id: str) -> bytes | None:
        """The film's file; None where it was not ingested. Raises WorkspaceError."""
        from databricks.sdk.errors import NotFound

        for suffix in SUFFIXES:
            with explained(self._client.config.host), suppress(NotFound):
                contents = self._client.files.download(
                    f"{self._folder}/{image_id}{suffix}"
                ).contents
                return contents.read() if contents else None
        return None


class Logged(ABC):
    """What serving has logged of the cases behind the predictions of one A/B test. Thread-safe."""

    field: str
    """Of a request: the list of what is asked about."""
    media_type: str
    """Of what a reader is shown."""

    def __init__(self, warehouse: Warehouse, analysis: Analysis) -> None:
        self._warehouse = warehouse
        self._tables = {
            "predictions": analysis.full_name("predictions"),
            "payload": analysis.filled_in("$payload"),
        }
        self._sent: dict[str, str] = {}

    def names(self, prediction_ids: Collection[str]) -> Mapping[str, str]:
        """Of each prediction, the film's name: equal for predictions on the same film.

        Where the request does not name the film, what was sent does; a request that was too large
        to be logged is a film of its own. Raises WorkspaceError.
        """
        named = {it: image_id for it in prediction_ids if (image_id := image_id_in(it))}
        unknown = [it for it in prediction_ids if it not in named and it not in self._sent]
        for start in range(0, len(unknown), _NAMES_A_STATEMENT):
            some = unknown[start : start + _NAMES_A_STATEMENT]
            rows = self._warehouse.execute(
                self._of_the_request(_NAMES), wanted=json.dumps(some), **self._tables
            )
            self._sent |= {it: it for it in some}
            self._sent |= {str(it["prediction_id"]): it["film"] for it in rows if it["film"]}
        return {it: named.get(it) or self._sent[it] for it in prediction_ids}

    def sent(self, prediction_id: str) -> Iterator[str]:
        """What was sent of a case, as JSON, where it is logged. Raises WorkspaceError."""
        for row in self._warehouse.execute(
            self._of_the_request(_PICTURE), prediction_id=prediction_id, **self._tables
        ):
            if row["picture"] is not None:
                yield row["picture"]

    @abstractmethod
    def picture(self, predictions: Sequence[Drawn]) -> bytes:
        """What a reader is shown of a case. Raises NoPicture, and WorkspaceError."""

    def _of_the_request(self, statement: str) -> str:
        return statement.replace("$.inputs[", f"$.{self.field}[")


class Films(Logged):
    """The films behind the predictions of one A/B test. Thread-safe."""

    field = "inputs"
    media_type = "image/png"

    def __init__(self, warehouse: Warehouse, analysis: Analysis, ingested: IngestedFilms) -> None:
        super().__init__(warehouse, analysis)
        self._ingested = ingested

    def picture(self, predictions: Sequence[Drawn]) -> bytes:
        """A PNG, 8 bits of grey. Raises NoPicture, and WorkspaceError."""
        ids = [drawn.prediction_id for drawn in predictions]
        for content in filter(
            None, map(self._ingested.content, filter(None, map(image_id_in, ids)))
        ):
            return picture_of_file(content)
        for prediction_id in ids:
            for sent in self.sent(prediction_id):
                return picture_of_request(sent)
        raise NoPicture(f"neither the file nor the request of {', '.join(ids)} is there")


def picture_of_request(sent: str) -> bytes:
    """The picture of a request: height x width x 1 floats in [0, 1], as JSON."""
    try:
        pixels = np.asarray(json.loads(sent), dtype=np.float32)
        height, width, _ = pixels.shape
    except ValueError as error:
        raise NoPicture(f"what was sent is no image of height x width x 1: {error}") from error
    grey = np.rint(pixels.reshape(height, width).clip(0, 1) * _WHITE).astype(np.uint8)
    return _png(Image.fromarray(grey))


def picture_of_file(content: bytes) -> bytes:
    """The picture of a file, upright and without anything else that was in it."""
    try:
        upright = ImageOps.exif_transpose(opened(content, any_modality=True).picture)
    except UnreadableFilm as error:
        raise NoPicture(f"the film's file {error}") from error
    # Pillow's convert("L") would clip a 16-bit film to white.
    if upright.mode.startswith("I"):
        upright = upright.convert("F").point(lambda value: value / (_WHITE + 2))
    return _png(upright.convert("L"))


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    # A fresh image: what Pillow has read beside the pixels stays behind.
    Image.fromarray(np.asarray(image)).save(file, "PNG")
    return file.getvalue()
