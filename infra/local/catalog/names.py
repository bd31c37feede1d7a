"""What may be a name in Unity Catalog. Nothing that is a path, whoever sends it.

Rules: https://docs.databricks.com/aws/en/sql/language-manual/sql-ref-names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = re.compile(r"[^\x00-\x20./\x7f]{1,255}")


def rule_broken_by(name: str) -> str | None:
    """What is wrong with the name of something new; None if nothing is."""
    if _NAME.fullmatch(name):
        return None
    return (
        f"{name!r} is not a valid name: 1 to 255 characters, none of them a period, a space, a "
        "forward slash or a control character."
    )


def inside(folder: Path, *names: str) -> Path:
    """The path of `names`, to be removed; ValueError where that is not inside `folder`.

    Names are checked when they are given; this is for those that were written before, or by hand.
    """
    path = folder.joinpath(*names).resolve()
    if folder.resolve() not in path.parents:
        raise ValueError(f"{path} is not inside {folder}: nothing is removed")
    return path
