"""Files of TOML that people write, with whatever tool."""

import codecs
import tomllib
from pathlib import Path
from typing import Any, Final

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class NotToml(ValueError):
    """The file holds no table; says why, and what to do."""

    def __init__(self, found: str, way_out: str) -> None:
        super().__init__(found)
        self.rule = f"a readable file of TOML in UTF-8: {found}"
        self.way_out = way_out


def table_in(file: Path) -> dict[str, Any]:
    """The table of a file; a byte-order mark, as tools of Windows write it, is read. Raises
    NotToml.
    """
    try:
        content = file.read_bytes()
        if content.startswith(_UTF16):
            raise NotToml("it is text in UTF-16", "save it again as UTF-8")
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{error.object[error.start]:02x} in line {line} is not UTF-8"
        raise NotToml(found, "save it again as UTF-8") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise NotToml(str(error), "correct the file there") from error
