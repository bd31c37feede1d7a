"""The id of a film, which is of its content alone, and the ids of requests that begin with it."""

import hashlib
import re
import uuid
from contextlib import suppress
from typing import Final

from ml.data.dicom.header import without_the_patient

DIGITS: Final = 32
"""Hexadecimal digits of SHA-256: 128 bits tell any number of films apart."""

_SUFFIX_DIGITS: Final = 12
_IMAGE_ID: Final = re.compile(rf"[0-9a-f]{{{DIGITS}}}")
_REQUEST_ID: Final = re.compile(rf"({_IMAGE_ID.pattern})-[0-9a-f]{{{_SUFFIX_DIGITS}}}(?:#\d+)?")
"""'#' is added by the view of the predictions."""


def image_id_of(content: bytes) -> str:
    """The id of a film's content, of a file or of an array's bytes.

    A DICOM file's is that of the file that ingestion keeps, whatever its header says of anybody.
    """
    # Whoever decodes a damaged file says what is wrong with it.
    with suppress(Exception):
        content = without_the_patient(content)
    return image_id_by(hashlib.sha256(content).hexdigest())


def image_id_by(sha256: str) -> str:
    """The id of a film whose SHA-256 is known, hexadecimal."""
    return sha256[:DIGITS]


def is_image_id(text: str) -> bool:
    """Whether it has the form that `ml.ingest` gives."""
    return _IMAGE_ID.fullmatch(text) is not None


def new_request_id(image_id: str) -> str:
    """A `client_request_id` that says which film it is about, and is never given again."""
    return f"{image_id}-{uuid.uuid4().hex[:_SUFFIX_DIGITS]}"


def image_id_in(request_id: str) -> str | None:
    """The image id in such a request id; None in any other."""
    found = _REQUEST_ID.fullmatch(request_id)
    return found[1] if found else None
