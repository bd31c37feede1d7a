"""One stack of an environment as Terraform's JSON: what `cdktf synth` writes for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from infra.declared.environment import Environment


def synthesize(kind: str, environment: Environment, output: Path) -> None:
    """Write the platform, the serving or the analysis stack to the folder `output`.

    Raises UserError without Node.js.
    """
    from infra.constructs.node import require_node

    require_node()
    # Here, because it takes seconds and starts Node.js.
    from cdktf import App

    from infra.stacks import AnalysisStack, PlatformStack, ServingStack

    stacks = {"platform": PlatformStack, "serving": ServingStack, "analysis": AnalysisStack}
    app = App(outdir=str(output), stack_traces=False)
    stacks[kind](app, environment)
    app.synth()
