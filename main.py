"""Every environment's stacks, synthesized to Terraform JSON in `cdktf.out`.

python main.py      or      cdktf synth      or      cdktf deploy platform-dev
"""

import atexit
import gc
import sys
from pathlib import Path

from infra.constructs.node import require_node
from infra.declared.environment import InvalidEnvironment, load_all
from ml.contract.errors import UserError


def main() -> None:
    """Environments -> stacks -> Terraform JSON."""
    try:
        environments = load_all()
        require_node()
    except (InvalidEnvironment, UserError) as problem:
        sys.exit(str(problem))

    print(f"Synthesizing {', '.join(it.name for it in environments)} ...", flush=True)

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
    lock(Path(app.outdir, "stacks"))


if __name__ == "__main__":
    main()
