"""One stack of an environment as Terraform's JSON: what `cdktf synth` writes for all of them.

The bindings take seconds to import, so that JSON whose sources have not changed is left as it is.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import infra

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.declared.environment import Environment

_INFRA: Final = Path(infra.__file__).parent
_SOURCES: Final = ("constructs", "dashboards", "declared", "tasks", "views", "stacks.py")
_BESIDE: Final = (_INFRA.parent / "ml" / "contract", _INFRA.parent / "pyproject.toml")
"""What of the rest of the repository reaches the JSON; the second one by what the jobs install."""
_PACKAGES: Final = ("cdktf", "cdktf-cdktf-provider-databricks", "constructs", "jsii", "pydantic")
_STAMP: Final = "synthesized.sha256"


def synthesize(kind: str, environment: Environment, output: Path) -> None:
    """Write the platform, the serving or the analysis stack to the folder `output`."""
    # Here, because it takes seconds and starts Node.js.
    from cdktf import App

    from infra.stacks import AnalysisStack, PlatformStack, ServingStack

    stacks = {"platform": PlatformStack, "serving": ServingStack, "analysis": AnalysisStack}
    app = App(outdir=str(output), stack_traces=False)
    stacks[kind](app, environment)
    app.synth()


def is_current(environment: Environment, file: Path) -> bool:
    """Whether `file` is what synthesis would write for its stack of the environment again."""
    try:
        return file.with_name(_STAMP).read_text() == _stamp(environment, file)
    except OSError:
        return False


def note(environment: Environment, file: Path) -> None:
    """`file` was synthesized just now from what the environment and the code are."""
    file.with_name(_STAMP).write_text(_stamp(environment, file))


def _stamp(environment: Environment, file: Path) -> str:
    """Of all that decides what is synthesized, and of what was: an edit by hand does not stay."""
    digest = hashlib.sha256(file.read_bytes())
    said = [repr(environment), sys.version]
    said += [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    for text in said:
        digest.update(text.encode() + b"\0")
    for source in sorted(_sources()):
        digest.update(str(source.relative_to(_INFRA.parent)).encode() + b"\0")
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for place in (*(_INFRA / name for name in _SOURCES), *_BESIDE):
        yield from (
            [place]
            if place.is_file()
            else (it for it in place.rglob("*") if it.is_file() and it.suffix != ".pyc")
        )
