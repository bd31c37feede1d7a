"""What is known of a prediction's film without naming anybody: the patient's key and categories.

Everything is out of a closed vocabulary or a short token of letters and digits, and `Context`
accepts nothing else, so that no path writes a text that a person has typed. What cannot be told is
None. The vocabularies are coarse: a rare value would point at a person.
"""

import re
import unicodedata
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from ml.contract.errors import InvalidData

VIEWS: Final = ("AP", "PA", "LATERAL", "OBLIQUE", "DECUBITUS")
SEXES: Final = ("F", "M", "O")
AGE_BANDS: Final = ("0-1", "2-5", "6-11", "12-17", "18-39", "40-64", "65-79", "80+")
"""Years. Open at the top: the oldest are few, and an age would point at them."""

LONGEST_TOKEN: Final = 32

_VIEWS: Final = {
    **{it: it for it in VIEWS},
    # View Position of a DICOM file: PS3.3, C.8.1.1.1 and C.8.11.5.1.
    "LL": "LATERAL",
    "RL": "LATERAL",
    "LAT": "LATERAL",
    "LLO": "OBLIQUE",
    "RLO": "OBLIQUE",
    "LLD": "DECUBITUS",
    "RLD": "DECUBITUS",
}
_SEXES: Final = {**{it: it for it in SEXES}, "FEMALE": "F", "MALE": "M", "OTHER": "O"}
_AGE: Final = re.compile(r"(\d{1,3})([DWMY]?)")
_UNITS_A_YEAR: Final = {"D": 365.25, "W": 52.18, "M": 12, "Y": 1, "": 1}
_OLDEST: Final = 130

_KEY: Final = re.compile(r"[0-9a-f]{64}")
_SITE: Final = re.compile(r"[a-z][a-z0-9-]{0,15}")
_TOKEN: Final = re.compile(rf"[A-Z0-9](?:[A-Z0-9-]{{0,{LONGEST_TOKEN - 2}}}[A-Z0-9])?")
_NUMBER: Final = re.compile(r"\d{5}")
"""A model has fewer digits in a row. A day, a time, a serial or a record number has not."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """One film's; None is what is not known. Raises InvalidData for what may not be written."""

    patient_key: str | None = None
    """By `PatientKeys`."""
    site: str | None = None
    device_maker: str | None = None
    device_model: str | None = None
    view: str | None = None
    age_band: str | None = None
    sex: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not _may_be_written(field.name, value):
                # Not the value: it may be what must not be written.
                raise InvalidData(
                    f"context: {field.name} is not of its form. Make it with the functions of "
                    f"{__name__}, and a patient's key with PatientKeys."
                )


NAMES: Final = tuple(field.name for field in fields(Context))
"""Of what a context holds, which are columns of the table."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """A prediction's context as it is written."""

    prediction_id: str
    recorded_at: datetime
    context: Context


def view_of(text: str) -> str | None:
    """The view by its DICOM code or its name."""
    return _VIEWS.get(text.strip().upper())


def sex_of(text: str) -> str | None:
    """F, M or O."""
    return _SEXES.get(text.strip().upper())


def age_band_of(text: str) -> str | None:
    """The band of an age in years, or as DICOM writes it ("045Y", "006M"), or a band itself."""
    text = text.strip().upper()
    if text in AGE_BANDS:
        return text
    found = _AGE.fullmatch(text)
    if found is None:
        return None
    years = int(found[1]) / _UNITS_A_YEAR[found[2]]
    if years > _OLDEST:
        return None
    return next(
        band
        for band in reversed(AGE_BANDS)
        if years >= int(band.removesuffix("+").partition("-")[0])
    )


def token_of(text: str) -> str | None:
    """A maker's or a model's name: capital letters, digits and single '-'.

    None where nothing of it is left, and where it has a number of five digits or more.
    """
    plain = unicodedata.normalize("NFKD", text[:1000]).encode("ascii", "ignore").decode().upper()
    token = re.sub(r"[^A-Z0-9]+", "-", plain).strip("-")[:LONGEST_TOKEN].strip("-")
    return token if token and _is_token(token) else None


def _is_token(text: str) -> bool:
    joined = text.replace("-", "")
    return bool(_TOKEN.fullmatch(text)) and "--" not in text and not _NUMBER.search(joined)


def _may_be_written(name: str, value: object) -> bool:
    if not isinstance(value, str):
        return False
    match name:
        case "patient_key":
            return bool(_KEY.fullmatch(value))
        case "site":
            return bool(_SITE.fullmatch(value))
        case "view":
            return value in VIEWS
        case "age_band":
            return value in AGE_BANDS
        case "sex":
            return value in SEXES
    return _is_token(value)
