"""Numbers in the tags of a DICOM file; what is wrong with one is said with the tag's name."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset


def named(keyword: str) -> str:
    """A tag for people, such as ``Rescale Slope (0028,1053)``."""
    from pydicom.datadict import dictionary_description, tag_for_keyword
    from pydicom.tag import Tag

    tag = Tag(tag_for_keyword(keyword) or 0)
    return f"{dictionary_description(tag)} ({tag.group:04X},{tag.element:04X})"


def numbers(dataset: "Dataset", keyword: str) -> list[float]:
    """The values of a tag, none where it is absent or empty. Raises ValueError."""
    if keyword not in dataset:
        return []
    try:
        value = dataset[keyword].value
        values = [value] if isinstance(value, str | int | float) else list(value or ())
        found = [float(it) for it in values if it != ""]
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{named(keyword)} is no number: {error}") from error
    if not all(map(math.isfinite, found)):
        raise ValueError(f"{named(keyword)} is {found}, no finite number")
    return found


def number(dataset: "Dataset", keyword: str) -> float | None:
    """The one value of a tag; None where it is absent. Raises ValueError where it is empty."""
    if keyword not in dataset:
        return None
    values = numbers(dataset, keyword)
    if len(values) != 1:
        said = f"has {len(values)} values" if values else "is there, but empty"
        raise ValueError(f"{named(keyword)} {said}; it must have one")
    return values[0]


def count(dataset: "Dataset", keyword: str) -> int:
    """The whole number of a tag that must be there. Raises ValueError."""
    value = number(dataset, keyword)
    if value is None:
        raise ValueError(f"{named(keyword)} is missing")
    if value != int(value) or value < 0:
        raise ValueError(f"{named(keyword)} is {value:g}, no count")
    return int(value)
