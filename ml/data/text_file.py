"""Text that people bring, in whatever their tools write: lists of films, sheets in CSV.

A byte-order mark and the line ends of Windows are read. What would have to be guessed is refused
with what it is: another encoding, another separator, a workbook.
"""

import csv
import io
from collections.abc import Collection
from pathlib import Path
from typing import Final

from ml.contract.errors import UserError

_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "text in UTF-32"),
    (b"\x00\x00\xfe\xff", "text in UTF-32"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    (b"PK\x03\x04", "an Excel workbook, or another zip file"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook of the old kind"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3\x00", "an SQLite database"),
)
_MARK_LESS_UTF16: Final = 1000  # bytes in which ASCII characters would show
_SEPARATORS: Final = {";": "';'", "\t": "tabs", "|": "'|'"}


class NotText(UserError):
    """The file is no text in UTF-8, or no sheet with commas; says what it is, in one line."""


def text_in(file: Path, wanted: str) -> str:
    """The text of a file in UTF-8, without its byte-order mark; line ends are as they were.

    ``wanted`` says what is expected, such as "a CSV file". Raises NotText.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise NotText(
            f"{file} cannot be read: {error.strerror}. Name {wanted} in UTF-8."
        ) from error
    found = next((what for mark, what in _MARKS if content.startswith(mark)), None)
    if found is None and b"\x00" in content[:_MARK_LESS_UTF16]:
        found = "text in UTF-16 without its mark, or no text at all"
    if found is not None:
        raise NotText(f"{file} is {found}. Save it as {wanted} in UTF-8.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotText(
            f"{file}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; a tool of "
            f"Windows may have written the file in a code page. Save it as {wanted} in UTF-8."
        ) from error


def lines_in(file: Path) -> list[str]:
    """The lines of a list that are not blank. Raises NotText."""
    # Not splitlines(), which ends a line at characters that a file's name may have.
    lines = text_in(file, "a plain list, one a line,").replace("\r\n", "\n").split("\n")
    return [line for line in lines if line.strip()]


def sheet_in(file: Path, columns: Collection[str]) -> "csv.DictReader[str]":
    """The rows of a sheet with a head; ``columns`` are those that such a sheet may have.

    A malformed row raises csv.Error when it is reached. Raises NotText.
    """
    text = text_in(file, "a CSV file with commas")
    head = text.partition("\n")[0].strip()
    first = next(csv.reader([head]), [])
    if not set(first) & set(columns):
        for separator, name in _SEPARATORS.items():
            written = {it.strip().strip('"') for it in head.split(separator)}
            if separator in head and (written & set(columns) or head.lower().startswith("sep=")):
                raise NotText(
                    f"{file} has its columns apart by {name}. Save it as CSV in UTF-8 with commas."
                )
    return csv.DictReader(io.StringIO(text, newline=""), strict=True)
