"""A list of films, and one that says what is known of each: a sheet, CSV or apart by tabs.

Values are checked before anything is sent. A refusal names line and column and never the value,
which may be a name that slipped into the wrong column.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from infra.declared.context import ContextPlan
from ml.contract.errors import UserError
from ml.data.image_id import is_image_id
from ml.data.text_file import lines_in, text_in
from ml.prediction.context import (
    AGE_BANDS,
    SEXES,
    VIEWS,
    age_band_of,
    sex_of,
    token_of,
    view_of,
)
from ml.prediction.unlabelled import FilmFile, IngestedFilm

FILM: Final = "film"
PATIENT: Final = "patient_id"
_SEPARATORS: Final = ("\t", ",", ";")
_COLUMNS: Final = (FILM, PATIENT, "site", "device_maker", "device_model", "view", "age", "sex")

_FORMS: Final[Mapping[str, tuple[str, Callable[[str], str | None], str]]] = {
    "device_maker": ("device_maker", token_of, "a name in Latin letters without a long number"),
    "device_model": ("device_model", token_of, "a name in Latin letters without a long number"),
    "view": ("view", view_of, f"one of {', '.join(VIEWS)}, or a code of DICOM"),
    "age": ("age_band", age_band_of, f"years, such as 45, or one of {', '.join(AGE_BANDS)}"),
    "sex": ("sex", sex_of, f"one of {', '.join(SEXES)}"),
}
"""Of a column: the context's field, how it is read, what it takes."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What is said of one film, checked."""

    patient: str = field(default="", repr=False)
    """The patient's id, of which only the key is ever written."""
    known: Mapping[str, str] = field(default_factory=dict)
    """Fields of a context, with what they may be."""


def is_sheet(file: Path) -> bool:
    """Whether a list has a head that names its films' column and another. Raises NotText."""
    return _separator(_head(text_in(file, "a list"))) is not None


def named(arguments: Iterable[str], sheets: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """What was named, with the films of each list or sheet @FILE in its place. Raises UserError."""
    for argument in arguments:
        if not argument.startswith("@"):
            yield argument
            continue
        if argument in sheets:
            yield from sheets[argument]
            continue
        lines = lines_in(Path(argument[1:]))
        if not lines:
            raise UserError(
                f"{argument}: the list names no film; it has no line that is not blank. Write a "
                "file, a folder or an image id into each line."
            )
        # A file's name may end in a space, an id does not.
        yield from (line.strip() if is_image_id(line.strip()) else line for line in lines)


def stated_in(file: Path, plan: ContextPlan | None) -> dict[str, Stated]:
    """What a sheet says of each film that it names; ``plan`` None declares no site.

    Raises UserError, or NotText.
    """
    text = text_in(file, "a CSV file with commas")
    head = _head(text)
    separator = _separator(head)
    if separator not in (",", "\t"):
        raise UserError(f"@{file} has its columns apart by ';'. Save it as CSV with commas.")
    columns = _cells(head, separator)
    unknown = [name for name in columns if name not in _COLUMNS]
    if unknown or len(set(columns)) < len(columns):
        said = f"column {unknown[0]!r}" if unknown else "a column twice"
        raise UserError(
            f"@{file}, line 1: {said}. A list of films has {', '.join(_COLUMNS)}, each once, and "
            "no other: take away what is not to be read."
        )
    stated: dict[str, Stated] = {}
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        next(rows)
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            place = f"@{file}, line {rows.line_num}"
            if len(cells) != len(columns):
                raise UserError(
                    f"{place}: {len(cells)} cells under {len(columns)} columns. Put quotes around "
                    "a cell that has a separator in it."
                )
            row = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
            film = row.pop(FILM)
            if not film:
                raise UserError(f"{place}: {FILM} is empty. Name a file, a folder or an image id.")
            said_of_it = _stated(place, row, plan)
            if stated.setdefault(film, said_of_it) != said_of_it:
                raise UserError(
                    f"{place}: {film[:200]} is there twice, and not twice the same. Keep one line."
                )
    except csv.Error as error:
        raise UserError(f"@{file}, line {rows.line_num}: is no row of a sheet: {error}.") from error
    return stated


def said_of(
    films: Iterable[object],
    here: Mapping[str, Iterable[FilmFile]],
    sheets: Iterable[Mapping[str, Stated]],
) -> dict[str, Stated]:
    """What is said of each film by its name: by a sheet, of itself or of its folder, and of the
    patient also by ingestion. ``here`` has the films of each file and folder that was named.
    """
    stated = {
        film.name: Stated(patient=film.patient_key)
        for film in films
        if isinstance(film, IngestedFilm) and film.patient_key
    }
    for sheet in sheets:
        for name, said in sheet.items():
            for film in [it.name for it in here.get(name, ())] or [name]:
                known = stated.get(film, Stated())
                stated[film] = replace(said, patient=said.patient or known.patient)
    return stated


def _head(text: str) -> str:
    return text.partition("\n")[0].strip()


def _separator(head: str) -> str | None:
    return next((it for it in _SEPARATORS if FILM in _cells(head, it) != [FILM]), None)


def _cells(head: str, separator: str) -> list[str]:
    return [cell.strip().strip('"').strip().lower() for cell in head.split(separator)]


def _stated(place: str, row: Mapping[str, str], plan: ContextPlan | None) -> Stated:
    known: dict[str, str] = {}
    for column, text in row.items():
        if not text or column == PATIENT:
            continue
        if column == "site":
            known["site"] = declared_site(text, plan, f"{place}: site")
            continue
        name, read, form = _FORMS[column]
        value = read(text)
        if value is None:
            raise UserError(f"{place}: {column} is not {form}. Correct it, or leave it empty.")
        known[name] = value
    return Stated(patient=row.get(PATIENT, ""), known=known)


def declared_site(text: str, plan: ContextPlan | None, place: str) -> str:
    """A site's code, given by itself or by one of its institution's names. Raises UserError."""
    sites = plan.sites if plan else {}
    code = text if text in sites else plan.site_of(text) if plan else None
    if code is None:
        raise UserError(
            f"{place} is none that the environment declares: {', '.join(sites) or 'none'}. Declare "
            "it under [context.sites] of the environment file, with a short code."
        )
    return code
