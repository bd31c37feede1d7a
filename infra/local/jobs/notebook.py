"""`notebook_task`: a notebook in source form, of Python alone, run as the file that it is.

There is no `dbutils`, so that a notebook which asks for its parameters fails, and no `spark`.
Source: https://docs.databricks.com/notebooks/notebook-export-import.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from infra.local.refusal import invalid

_HEAD: Final = "# Databricks notebook source"
_MAGIC: Final = re.compile(r"^# MAGIC (%(?!md\b)\S+)", re.MULTILINE)


def as_python(task: Mapping[str, Any]) -> dict[str, Any]:
    """The Python task that does the same; what is no notebook, `runnable` finds. Raises Refusal."""
    path: str = task["notebook_path"]
    if task.get("base_parameters"):
        raise invalid(
            "notebook_task.base_parameters: a notebook has no dbutils.widgets in the local "
            "workspace. Give a spark_python_task parameters instead."
        )
    name = path if path.endswith(".py") else f"{path}.py"
    return {"python_file": name, "source": task.get("source")}


def check_text(file: Path) -> None:
    """Refuse what Python would pass over: cells of another language, commands of a notebook."""
    text = file.read_text(errors="replace")
    if not text.startswith(_HEAD):
        raise invalid(f"{file.name} is no notebook: its first line is not {_HEAD!r}.")
    if found := _MAGIC.search(text):
        raise invalid(f"{file.name}: the local workspace runs no {found[1]} of a notebook.")
