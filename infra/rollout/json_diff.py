"""What a change does to the synthesized JSON, between a revision of Git and the working tree."""

import difflib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from infra.declared.environment import ENVIRONMENTS
from infra.progress import progress
from infra.rollout import history
from infra.rollout.refusal import Refused

ROOT = ENVIRONMENTS.parents[1]


def differences(base: str, environment: str | None) -> Iterator[str]:
    """A unified diff for every stack that differs, of one environment or of all.

    Both sides are synthesized by their own `main.py`. Raises Refused.
    """
    with tempfile.TemporaryDirectory() as folder:
        there, before, after = (Path(folder, name) for name in ("there", "before", "after"))
        with tarfile.open(fileobj=io.BytesIO(history.archive(ROOT, base))) as archive:
            archive.extractall(there, filter="data")
        with progress(f"Synthesizing what is in {base}, and what is here"):
            started = [_start(there, before), _start(ROOT, after)]
            said = [process.communicate()[1] for process in started]
        for where, process, errors in zip((base, "the working tree"), started, said, strict=True):
            if process.returncode:
                raise Refused(f"{where} cannot be synthesized:\n{errors.strip()}")
        yield from _diffs(before, after, environment)


def _start(project: Path, output: Path) -> subprocess.Popen[str]:
    variables = {"CDKTF_OUTDIR": str(output), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "main.py"],
        cwd=project,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _diffs(before: Path, after: Path, environment: str | None) -> Iterator[str]:
    sides = [
        {
            file.parent.name: file.read_text(encoding="utf-8").splitlines(keepends=True)
            for file in folder.glob("stacks/*/cdk.tf.json")
        }
        for folder in (before, after)
    ]
    stacks = sorted({*sides[0], *sides[1]})
    names = {stack.partition("-")[2] for stack in stacks}
    if environment not in {None, *names}:
        raise Refused(
            f"{environment}: neither side has such a file in infra/environments; there: "
            + ", ".join(sorted(names))
        )
    for stack in stacks:
        if environment in {None, stack.partition("-")[2]}:
            old, new = (side.get(stack, []) for side in sides)
            text = difflib.unified_diff(
                old,
                new,
                f"a/{stack}/cdk.tf.json" if old else os.devnull,
                f"b/{stack}/cdk.tf.json" if new else os.devnull,
            )
            if shown := "".join(text):
                yield shown
