"""The packages of this project at their versions, from the one place that pins them."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

_PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def pinned(packages: Iterable[str], *, groups: Iterable[str] = ()) -> tuple[str, ...]:
    """The requirements, such as `pydantic==2.14.4`, of packages by name and of whole optional
    dependency groups, sorted.

    Raises KeyError for what pyproject.toml does not name.
    """
    project = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    requirement = {
        re.split(r"[^\w.-]", line, maxsplit=1)[0]: line
        for lines in (project["dependencies"], *optional.values())
        for line in lines
    }
    wanted = {requirement[package] for package in packages}
    return tuple(sorted(wanted.union(*(optional[group] for group in groups))))
