"""What is wrong with a file that people write, and how it is said: every problem at once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.declared.declaration import Location, nearest
from infra.declared.secret import HIDDEN, looks_secret
from ml.contract.toml_file import NotToml, table_in

_LONGEST_VALUE: Final = 80


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with a file, and what to do about it."""

    file: Path
    key: str
    value: str
    rule: str
    way_out: str

    def __str__(self) -> str:
        given = f" = {self.value}" if self.value else ""
        where = f"{_shown(self.file)}: {self.key}{given}".removesuffix(": ")
        return f"{where}\n    rule:    {self.rule}\n    way out: {self.way_out}"


class InvalidFile(ValueError):
    """A file that cannot be used. `str()` lists every problem at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def named_file(name_or_path: str | Path, folder: Path, invalid: type[InvalidFile]) -> Path:
    """The file of that name in the folder, or the file itself. Raises `invalid` where none is."""
    is_path = isinstance(name_or_path, Path) or name_or_path.endswith(".toml")
    file = Path(name_or_path) if is_path else folder / f"{name_or_path}.toml"
    if not file.is_file():
        names = names_in(folder)
        meant = nearest(file.stem, list(names))
        raise invalid(
            [
                Problem(
                    file=file,
                    key="",
                    value="",
                    rule=f"{folder.name} that exist: {', '.join(names) or 'none'}",
                    way_out=f"did you mean {meant!r}?" if meant else "name one of them, or a file",
                )
            ]
        )
    return file


def names_in(folder: Path) -> tuple[str, ...]:
    """The names of the files in a folder, sorted."""
    return tuple(sorted(file.stem for file in folder.glob("*.toml")))


def parse(file: Path, invalid: type[InvalidFile]) -> dict[str, Any]:
    """The table that a TOML file holds. Raises `invalid` where it holds none."""
    try:
        return table_in(file)
    except NotToml as error:
        raise invalid(
            [Problem(file=file, key="", value="", rule=error.rule, way_out=error.way_out)]
        ) from error


def as_problem(file: Path, details: Any) -> Problem:
    """What a Declaration has found, as a problem of its file."""
    context, key = details["ctx"], dotted(details["loc"])
    return Problem(
        file=file,
        key=key,
        value=as_toml(key, details["input"]),
        rule=context["rule"],
        way_out=context["way_out"],
    )


def dotted(location: Location) -> str:
    """`("ab_test", "challengers", 0, "traffic")` as `ab_test.challengers[0].traffic`."""
    # pydantic puts the type of a backend between its table and its keys.
    parts = ("backend", *location[2:]) if location[:1] == ("backend",) else location
    with_dots = (
        f"[{part}]" if isinstance(part, int) or part == "*" else f".{part}" for part in parts
    )
    return "".join(with_dots).removeprefix(".").removesuffix(".[key]")


def as_toml(key: str, value: object) -> str:
    """A value as the file has it, in one line; no secret is ever repeated."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(map(str, value))} }}"
    if isinstance(value, list | tuple):
        return f"[{len(value)} elements]"
    if value == HIDDEN or looks_secret(key.rpartition(".")[2], value):
        return HIDDEN
    if isinstance(value, bool):
        return str(value).lower()
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _shown(file: Path) -> str:
    """The path as one would type it here."""
    absolute, here = file.resolve(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else file)
