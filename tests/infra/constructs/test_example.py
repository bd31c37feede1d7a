"""The example of the page of the constructs is run as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "constructs.md"


def test_the_example_synthesizes_the_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)

    exec(compile(example, str(PAGE), "exec"), {})  # noqa: S102 - a page of this repository

    stack = json.loads(Path("cdktf.out/stacks/example/cdk.tf.json").read_text())
    (serving,) = stack["resource"]["databricks_model_serving"].values()
    routes = serving["config"]["traffic_config"]["routes"]
    assert [it["traffic_percentage"] for it in routes] == [90, 10]
