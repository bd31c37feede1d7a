"""`terraform apply` of the serving stack to a local workspace, against Terraform without its work.

    python tests/benchmarks/bench_apply.py [ROUNDS]

Bare: an apply of the same stack with no resource in it, by the provider that Terraform starts
itself, so that what remains is Terraform, the provider's start, its schema and its configuration.
With work: the endpoint of two arms created and waited for, its traffic changed, and nothing to
change. A new endpoint waits until its arms' own processes have loaded MLflow and their model; what
that takes is measured too, by the same call without Terraform. The promise is the real provider's
own ratios. A provider that is attached starts with none of these; it is shown against the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from infra.declared.environment import load  # noqa: E402 - a script outside of pytest
from infra.local.terraform.installation import Installation  # noqa: E402
from infra.local.terraform.synthesis import synthesize  # noqa: E402
from tests.end_to_end.serving.sandbox import ENVIRONMENT  # noqa: E402
from tests.plugin.models import register, registry_uri  # noqa: E402
from tests.plugin.workspaces import ENDPOINTS, PROBE, entity, started  # noqa: E402

PROMISES = {"created": 2.3, "traffic changed": 2.0, "nothing to change": 1.7}


def terraform(folder: Path, *arguments: str, environment: dict[str, str]) -> float:
    """Wall-clock seconds of one command."""
    start = time.perf_counter()
    done = subprocess.run(
        ["terraform", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - start


def synthesized(folder: Path, host: str, challenger_traffic: int) -> Path:
    """The stack's folder; its one endpoint serves two versions of the registry's probe."""
    file = folder / "bench.toml"
    text = ENVIRONMENT.format(
        host=host, endpoint="bench-apply", prefix="bench", champion="probe", challenger="probe"
    )
    champion, challengers, rest = text.partition("[[ab_test.challengers]]")
    rest = rest.replace("version = 1", "version = 2")
    rest = rest.replace("traffic = 50", f"traffic = {challenger_traffic}")
    file.write_text(champion + challengers + rest)
    output = folder / "cdktf.out"
    synthesize("serving", load(file), output)
    [stack] = output.glob("stacks/*")
    return stack / "cdk.tf.json"


def main() -> None:
    """Print the median of each time and its ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        registration = register("probe", folder)
        _, errors = registration.communicate()
        if registration.returncode:
            sys.exit(errors)
        workspace = stack.enter_context(started(folder, registry_uri(folder)))()
        workspace.create_schema("local", "gold")
        installation = Installation(root=ROOT)
        installation.write()
        environment = installation.environment(os.environ)
        environment["DATABRICKS_TOKEN"] = workspace.token

        half = synthesized(folder, workspace.host, 50).read_text()
        file = synthesized(folder, workspace.host, 10)
        shifted = file.read_text()
        document = json.loads(half)
        for block in ("resource", "output"):
            del document[block]
        empty = json.dumps(document)
        terraform(file.parent, "init", environment=environment)

        bare = 0.0
        for how in ("started by Terraform", "attached"):
            if how == "attached":
                environment_used = stack.enter_context(installation.attached(environment))
            else:
                environment_used = environment
            seconds: dict[str, list[float]] = {}
            for _ in range(rounds):
                for step, text in (
                    ("no resource", empty),
                    ("created", half),
                    ("traffic changed", shifted),
                    ("nothing to change", shifted),
                ):
                    file.write_text(text)
                    arguments = ("apply", "-auto-approve", "-input=false")
                    took = terraform(file.parent, *arguments, environment=environment_used)
                    seconds.setdefault(step, []).append(took)
                terraform(file.parent, "destroy", "-auto-approve", environment=environment_used)
            bare = bare or statistics.median(seconds["no resource"])
            print(f"provider {how}:")
            for step, taken in seconds.items():
                promise = f" (at most {PROMISES[step]})" if step in PROMISES else ""
                median = statistics.median(taken)
                print(f"  {step:<18} {median:.2f} s  ratio {median / bare:.2f}{promise}")

        loads = []
        for _ in range(rounds):
            start = time.perf_counter()
            workspace.create(
                "bench-direct", entity(PROBE, "1", "probe-1"), entity(PROBE, "2", "probe-2")
            )
            loads.append(time.perf_counter() - start)
            workspace.client.delete(f"{ENDPOINTS}/bench-direct")
        median = statistics.median(loads)
        print(f"the same endpoint without Terraform: {median:.2f} s, its processes' start")


if __name__ == "__main__":
    main()
