"""Makes the process start faster: Terraform starts it two to five times a command."""

from __future__ import annotations

import sys
import types


def skip_what_is_not_needed() -> None:
    """Keep gRPC and protobuf from importing what they do not use here: a third of the start.

    `grpc.aio` brings asyncio, and the provider serves from threads. protobuf's implementation in
    Python brings its text format, and is idle where the one in C is at work.
    """
    sys.modules.setdefault("grpc.aio", types.ModuleType("grpc.aio"))

    from google.protobuf.internal import api_implementation

    if api_implementation.Type() != "python":
        name = "google.protobuf.internal.python_message"
        sys.modules.setdefault(name, types.ModuleType(name))
