"""The example of the page of the constructs is run as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "constructs.md"


def test_the_example_synthesizes_the_split(tmp_path: Path) -> None:
    example, _ = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    # Node.js resolves a relative folder, and may have been started in another one.
    out = tmp_path / "cdktf.out"
    example = example.replace('"cdktf.out"', repr(str(out)))

    exec(compile(example, str(PAGE), "exec"), {})  # noqa: S102 - a page of this repository

    stack = json.loads((out / "stacks/example/cdk.tf.json").read_text())
    (serving,) = stack["resource"]["databricks_model_serving"].values()
    routes = serving["config"]["traffic_config"]["routes"]
    assert [it["traffic_percentage"] for it in routes] == [90, 10]
