"""A few figures of what a model is asked about, from which nobody could draw the film again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_DARK: Final = 0.05
_BRIGHT: Final = 0.95
_AT_ONCE: Final = 256


def of_images(images: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """The measures of films of shape (n, height, width, 1) in [0, 1], each of shape (n,)."""
    flat = np.asarray(images, np.float64).reshape(len(images), -1)
    return {
        "mean": flat.mean(axis=1),
        "spread": flat.std(axis=1),
        "dark": (flat < _DARK).mean(axis=1),
        "bright": (flat > _BRIGHT).mean(axis=1),
    }


def of_many_images(images: Any) -> dict[str, NDArray[np.float64]]:
    """The same of images that may be in a file: few of them are in memory at once."""
    found = [
        of_images(images[start : start + _AT_ONCE]) for start in range(0, len(images), _AT_ONCE)
    ]
    return {name: np.concatenate([it[name] for it in found]) for name in found[0]}


def of_columns(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The numbers of each row by their columns; what is no number has no measure."""
    return [
        {
            name: float(value)
            for name, value in row.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        for row in rows
    ]


def of_request(body: str) -> list[dict[str, float]]:
    """The measures of each input of a logged request; none of a body that holds no inputs."""
    try:
        sent = json.loads(body)
        inputs = sent.get("inputs")
        if isinstance(inputs, list):
            images = np.asarray(inputs, np.float32)
            if images.ndim < 3:
                return []
            measured = of_images(images)
            return [
                {name: float(values[place]) for name, values in measured.items()}
                for place in range(len(images))
            ]
        if isinstance(sent.get("dataframe_records"), list):
            return of_columns(sent["dataframe_records"])
        split = sent.get("dataframe_split")
        if isinstance(split, dict):
            return of_columns(
                [dict(zip(split["columns"], row, strict=True)) for row in split["data"]]
            )
    except (ValueError, TypeError, AttributeError, KeyError):
        return []
    return []
