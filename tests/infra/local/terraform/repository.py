"""A folder that is this repository to `python -m infra.local.terraform`, with its own state."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[4]


class Repository:
    """`file` is the environment's file, named for the stack `serving-sandbox`."""

    def __init__(self, root: Path, environment_file: str, token: str) -> None:
        for name in (
            *("infra", "ml", "node_modules", ".venv"),
            *("cdktf.json", "main.py", "pyproject.toml"),
        ):
            (root / name).symlink_to(REPOSITORY / name)
        self.root = root
        self.file = root / "sandbox.toml"
        self.file.write_text(environment_file)
        inherited = {name: value for name, value in os.environ.items() if name[:3] != "TF_"}
        self.environment = inherited | {"DATABRICKS_TOKEN": token}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "infra.local.terraform", *arguments, "--environment", self.file],
            cwd=self.root,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
