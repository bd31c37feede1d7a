"""Every environment's stacks, synthesized to Terraform JSON in `cdktf.out`.

python main.py      or      cdktf synth      or      cdktf deploy platform-dev
"""

import argparse
import atexit
import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from infra.constructs.node import require_node
from infra.declared.environment import Environment, InvalidEnvironment, load, load_all
from infra.progress import progress
from ml.contract.errors import UserError


def main() -> None:
    """Environments -> stacks -> Terraform JSON."""
    parser = argparse.ArgumentParser(
        prog="python main.py",
        description="Synthesizes the three stacks of environments to Terraform JSON in cdktf.out.",
    )
    parser.add_argument(
        "environments",
        nargs="*",
        metavar="ENVIRONMENT",
        help="a file in infra/environments, or a path to one. Default: all in infra/environments",
    )
    named = parser.parse_args().environments
    try:
        environments = tuple(map(load, named)) or load_all()
        require_node()
        _require_writable(Path(os.environ.get("CDKTF_OUTDIR", "cdktf.out")))
    except (InvalidEnvironment, UserError) as problem:
        sys.exit(str(problem))

    print(f"Synthesizing {', '.join(it.name for it in environments)} ...", flush=True)
    # cdktf-cli takes whatever comes on standard error for an error.
    with progress("  at work") if sys.stderr.isatty() else contextlib.nullcontext():
        _synthesize(environments)


def _require_writable(out: Path) -> None:
    """Raises UserError; what jsii makes of it is its own traceback, after seconds."""
    there = next(it for it in (out, *out.absolute().parents) if it.exists())
    written = [it for pattern in ("*", "stacks/*", "stacks/*/*.json") for it in out.glob(pattern)]
    refused = next((it for it in written if not os.access(it, os.W_OK)), None)
    try:
        tempfile.TemporaryFile(dir=there).close()  # root may write to /proc, which takes nothing
    except OSError:
        refused = there
    if refused:
        raise UserError(
            f"{refused}: cannot be written, and the JSON goes to {out}. Let it be written, or "
            "name another folder in CDKTF_OUTDIR."
        )


def _synthesize(environments: Iterable[Environment]) -> None:
    # After the files are known to be good: importing cdktf takes seconds. It takes fewer without
    # the collector, which would walk the bindings' many thousand classes again and again, and
    # once more at the end of the process.
    gc.disable()
    atexit.register(gc.freeze)
    from cdktf import App

    from infra.constructs.provider_lock import lock
    from infra.stacks import AnalysisStack, PlatformStack, ServingStack

    app = App(stack_traces=False)  # paths of this machine, in the manifest
    for environment in environments:
        PlatformStack(app, environment)
        ServingStack(app, environment)
        AnalysisStack(app, environment)
    app.synth()
    lock(Path(app.outdir, "stacks"), environments)


if __name__ == "__main__":
    main()
