"""What is sent of a case: a picture as `inputs`, a row of named columns as `dataframe_records`.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#accepted-input-formats
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import orjson

from ml.contract.errors import InvalidData
from ml.contract.task import NUMBER, Size, TableInput, size_of
from ml.data.preparation import read
from ml.prediction.image import require_image


class Asking(Protocol):
    """How a case becomes a request."""

    def prepared(self, content: bytes) -> Any:
        """What a model takes of a case's content. Raises UnreadableFilm or InvalidData."""

    def document(self, prepared: Any, request_id: str) -> bytes:
        """The request about one case, JSON. Raises InvalidData for what no model takes."""


@dataclass(frozen=True, kw_only=True)
class OfImages:
    """Requests about pictures."""

    size: Size
    any_modality: bool = False
    """Whether a DICOM file may be of anything; for research."""

    def prepared(self, content: bytes) -> Any:
        """The image [height, width, 1] of a film's file."""
        return read(content, self.size, any_modality=self.any_modality)

    def document(self, prepared: Any, request_id: str) -> bytes:
        """The request about an image as training makes it."""
        require_image(prepared, self.size)
        inputs = [np.ascontiguousarray(prepared, np.float32)]
        return orjson.dumps(
            {"inputs": inputs, "client_request_id": request_id}, option=orjson.OPT_SERIALIZE_NUMPY
        )


@dataclass(frozen=True, kw_only=True)
class OfRows:
    """Requests about rows."""

    input: TableInput

    def prepared(self, content: bytes) -> Any:
        """The columns that are sent of a row, from the row as JSON."""
        given = json.loads(content)
        return {name: given.get(name) for name in self.input.columns}

    def document(self, prepared: Any, request_id: str) -> bytes:
        """The request about a row, which has the task's columns and no other."""
        row = self.checked(prepared)
        return orjson.dumps({"dataframe_records": [row], "client_request_id": request_id})

    def checked(self, row: Mapping[str, Any]) -> dict[str, float | str | None]:
        """The columns in the task's order; numbers as numbers, and None for what is not known.

        Raises InvalidData.
        """
        missing = [name for name in self.input.columns if name not in row]
        unknown = [name for name in row if name not in self.input.columns]
        if missing or unknown:
            said = f"no column {missing[0]!r}" if missing else f"an unknown column {unknown[0]!r}"
            raise InvalidData(
                f"a row with {said}: the task's columns are {', '.join(self.input.columns)}. "
                "Give each of them, None where it is not known."
            )
        return {name: _value(name, row[name], kind) for name, kind in self.input.columns.items()}

    def content(self, row: Mapping[str, Any], identity: str = "") -> bytes:
        """A row as JSON, the same bytes for the same row: its id is of them."""
        values = self.checked(row)
        named = {self.input.id: identity} if self.input.id else {}
        return json.dumps(named | values, sort_keys=True, ensure_ascii=False).encode()


def _value(name: str, value: Any, kind: str) -> float | str | None:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if kind != NUMBER:
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidData(
            f"{name} = {value!r} is no number. Correct it, leave it empty, or declare the column "
            'as "text" in the task.'
        )
    return number


def size_said_by(schema: Mapping[str, Any]) -> Size | None:
    """That of an image of one channel, where an endpoint's schema of `inputs` has it."""
    sizes: list[Any] = []
    while isinstance(schema, Mapping) and schema.get("type") == "array":
        sizes.append(schema.get("minItems"))
        schema = schema.get("items", {})
    match sizes:
        case [_, int(height), int(width), 1]:
            return size_of(height, width)
    return None
