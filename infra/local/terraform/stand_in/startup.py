"""Makes the process start faster: Terraform starts it two to five times a command."""

from __future__ import annotations

import sys
import types


def skip_what_is_not_needed() -> None:
    """Keep `import grpc` from importing `grpc.aio` and with it asyncio: a third of its time.

    The provider serves from threads and never touches it.
    """
    sys.modules.setdefault("grpc.aio", types.ModuleType("grpc.aio"))
