"""A valid environment file to break, and the real synthesis to look at.

    pytest tests/infra -m "not programs"

runs what stays in one process: every rule of the files, the construct, the snapshots.
"""

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from infra.declared.environment import InvalidEnvironment, Problem, load

DEV = """\
catalog = "healthcare_catalog_dev"

[ab_test]
endpoint = "pneumonia-classifier-ab-test"

[ab_test.champion]
model = "pneumonia_poc_classifier"
version = 1

[[ab_test.challengers]]
model = "pneumonia_poc_classifier_pytorch"
version = 1
traffic = 50

[ab_test.inference_table]
schema = "gold"
prefix = "pneumonia_classifier"

[feedback]
endpoint = "feedback-endpoint"
model = "feedback_processor"
version = 1
"""
"""The smallest whole file: what it leaves out has a default."""


@pytest.fixture
def dev() -> str:
    return DEV


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes the smallest valid file with some of its text replaced, and something added."""

    def write(*replacements: tuple[str, str], add: str = "", name: str = "dev") -> Path:
        text = DEV
        for old, new in replacements:
            assert old in text, f"the file has no {old!r} to replace"
            text = text.replace(old, new, 1)
        file = tmp_path / f"{name}.toml"
        file.write_text(text + add, encoding="utf-8")
        return file

    return write


@pytest.fixture
def problems(write: Callable[..., Path]) -> Callable[..., dict[str, Problem]]:
    """The problems of a changed file by their key; none where the file is accepted."""

    def problems(*replacements: tuple[str, str], add: str = "") -> dict[str, Problem]:
        try:
            load(write(*replacements, add=add))
        except InvalidEnvironment as invalid:
            return {problem.key: problem for problem in invalid.problems}
        return {}

    return problems


@pytest.fixture(scope="session")
def cdktf() -> Any:
    gc.disable()  # as main.py does, for the same reason
    import cdktf
    import cdktf_cdktf_provider_databricks  # noqa: F401

    gc.freeze()
    gc.enable()
    return cdktf


@pytest.fixture
def app(cdktf: Any, tmp_path: Path) -> Any:
    return cdktf.Testing.app(outdir=str(tmp_path / "cdktf.out"))


@pytest.fixture(scope="session")
def synthesize(cdktf: Any) -> Callable[[Any], Any]:
    """A stack as Terraform will read it: validated, and with its backend."""

    def synthesize(stack: Any) -> Any:
        stack.prepare_stack()
        return json.loads(cdktf.Testing.synth(stack, True))

    return synthesize


@pytest.fixture
def snapshot_json(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(JSONSnapshotExtension)
