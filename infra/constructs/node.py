"""Node.js, in which the constructs of cdktf run: whether it is there, and new enough."""

import re
import shutil
import subprocess
from typing import Final

from ml.contract.errors import UserError

OLDEST: Final = 20
"""The major version that cdktf 0.21 and jsii ask for at least."""


def require_node() -> None:
    """Raises UserError; without it, importing cdktf ends in jsii's own traceback."""
    found = shutil.which("node")
    if found is None:
        raise UserError(
            "Node.js, which cdktf needs, is not on PATH: run make set-up, which installs it where "
            "it is missing, then source ./activate."
        )
    try:
        printed = subprocess.run(
            [found, "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"{found} does not run: {error}. Run make set-up again.") from error
    match = re.match(r"v(\d+)", printed)
    if match is None or int(match[1]) < OLDEST:
        raise UserError(
            f"{found} is Node.js {printed}, and cdktf needs {OLDEST} or newer. Run make set-up, "
            "which installs one beside it, then source ./activate."
        )
