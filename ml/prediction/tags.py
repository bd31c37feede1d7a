"""What the tags of a DICOM file say of its film, before it becomes a context.

Tags are read as the bytes that they are: pydicom's conversion warns about what is malformed, and
its warnings quote it.
"""

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ml.prediction.context import token_of

if TYPE_CHECKING:
    from pydicom import Dataset

_PREAMBLE: Final = 128
_MAGIC: Final = b"DICM"
_WITHOUT_PREAMBLE: Final = (b"\x02\x00", b"\x08\x00")
"""The first group of a file that old devices have written."""

_PATIENTS_GROUP: Final = 0x0010
_AGE: Final = 0x00101010
_SEX: Final = 0x00100040
_PEOPLE: Final = (0x00080050, 0x00080090, 0x00081048, 0x00081050, 0x00081060, 0x00081070)
"""Accession number; referring, other, performing and reading physicians; operators."""

_SHORTEST_PART: Final = 4
"""Of a name within a word; a shorter one counts only as a word of its own."""


@dataclass(frozen=True, kw_only=True)
class Tags:
    """Texts as they are in the file, empty where a tag is not there. Never written anywhere."""

    patient: str = ""
    institution: str = ""
    maker: str = ""
    model: str = ""
    view: str = ""
    age: str = ""
    sex: str = ""

    def __repr__(self) -> str:
        return "Tags(...)"  # a traceback's locals are no place for them either


def tags_of(content: bytes) -> Tags:
    """The tags of a file's content; none of what is no DICOM file, or a damaged one."""
    whole = content[_PREAMBLE:].startswith(_MAGIC)
    if not whole and not content.startswith(_WITHOUT_PREAMBLE):
        return Tags()
    from pydicom import dcmread

    # Whatever is wrong with the file, whoever decodes it says it; the context is only poorer.
    with contextlib.suppress(Exception):
        dataset = dcmread(io.BytesIO(content), stop_before_pixels=True, force=not whole)
        names = set(_names(dataset))
        return Tags(
            patient=_text(dataset, 0x00100020),
            institution=_text(dataset, 0x00080080),
            maker=_without(names, _text(dataset, 0x00080070)),
            model=_without(names, _text(dataset, 0x00081090)),
            view=_text(dataset, 0x00185101),
            age=_text(dataset, _AGE),
            sex=_text(dataset, _SEX),
        )
    return Tags()


def _text(dataset: "Dataset", tag: int) -> str:
    value = dataset.get_item(tag).value if tag in dataset else b""
    if not isinstance(value, bytes):
        return ""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return text.strip(" \0")


def _names(dataset: "Dataset") -> Iterator[str]:
    """The words and numbers of what the file says about people: letters and digits, capitals."""
    for number in map(int, dataset.keys()):
        if number in _PEOPLE or (number >> 16 == _PATIENTS_GROUP and number not in (_AGE, _SEX)):
            yield from _words(_text(dataset, number))


def _without(names: set[str], text: str) -> str:
    """The text, unless a person's name or number is in it."""
    words = set(_words(text))
    joined = (token_of(text) or "").replace("-", "")
    within = any(len(name) >= _SHORTEST_PART and name in joined for name in names)
    return "" if words & names or within else text


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", text.upper()) if len(word) > 1]
