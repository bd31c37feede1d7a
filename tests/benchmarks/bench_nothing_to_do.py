"""`python -m infra.local.terraform apply` with nothing to do, against Terraform alone.

    python tests/benchmarks/bench_nothing_to_do.py [ROUNDS]

On the 41 resources of the platform, deployed to a local workspace. Terraform alone: the same apply
in the stack's folder, with a provider that it starts itself. What ours adds is Python, the look at
the workspace and at what would be erased, and the provider's one start; no synthesis and no
`terraform init`, because nothing has changed. The promise: at most 1.5 times, and 3 seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from infra.local.terraform.installation import Installation  # noqa: E402 - outside of pytest
from tests.infra.local.terraform.repository import Repository  # noqa: E402
from tests.plugin.models import registry_uri  # noqa: E402
from tests.plugin.workspaces import started  # noqa: E402

PROMISE = 1.5
PROMISED_SECONDS = 3.0
OURS = ("apply", "--stack", "platform", "--provider", "stand-in", "--auto-approve")


def main() -> None:
    """Print the least of each time and their ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with started(folder, registry_uri(folder)) as start:
            workspace = start()
            root = folder / "repository"
            root.mkdir()
            text = (ROOT / "infra/environments/local.toml").read_text()
            text = text.replace("http://127.0.0.1:8180", workspace.host)
            repository = Repository(root, text, workspace.token)
            first = repository.run(*OURS)
            if first.returncode:
                sys.exit(first.stdout + first.stderr)
            installation = Installation(root=root)
            stack = installation.output / "stacks" / "platform-sandbox"
            environment = installation.environment(os.environ)
            environment["DATABRICKS_TOKEN"] = workspace.token
            ours, alone = [], []
            for _ in range(rounds):
                began = time.perf_counter()
                done = repository.run(*OURS)
                ours.append(time.perf_counter() - began)
                assert "0 added, 0 changed, 0 destroyed" in done.stdout, done.stdout + done.stderr
                began = time.perf_counter()
                subprocess.run(
                    ["terraform", "apply", "-auto-approve", "-input=false"],
                    cwd=stack,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    check=True,
                )
                alone.append(time.perf_counter() - began)
    ratio = min(ours) / min(alone)
    print(f"{min(ours):.2f} s; Terraform alone {min(alone):.2f} s: {ratio:.2f} times")
    if ratio > PROMISE or min(ours) > PROMISED_SECONDS:
        sys.exit(f"promised: at most {PROMISE} times, and {PROMISED_SECONDS} s")


if __name__ == "__main__":
    main()
