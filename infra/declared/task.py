"""A key that names a task: one of the project's own, or a file of the team's beside the file."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, InstanceOf, ValidationInfo

from infra.declared.declaration import broken_rule
from ml.contract.task import InvalidTask, Task, load

FOLDER: Final = "folder"
"""Of the validation's context: where the file is, to which paths in it are relative."""


def _task(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Task):
        return value
    if not isinstance(value, str):
        raise broken_rule("a task's name, or the path of its file", 'write task = "pneumonia"')
    folder: Path | None = (info.context or {}).get(FOLDER)
    try:
        return load(value, folder)
    except InvalidTask as invalid:
        raise broken_rule(f"{invalid.place}: {invalid.rule}", invalid.way_out) from invalid


TaskKey = Annotated[InstanceOf[Task], BeforeValidator(_task)]
