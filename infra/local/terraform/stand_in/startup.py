"""Makes the process start faster: Terraform starts it two to five times a command."""

from __future__ import annotations

import sys
import types


def import_grpc() -> None:
    """Import gRPC and protobuf without what they import for uses that are not ours.

    That is nearly half of their time. gRPC's part for asyncio (and with it asyncio): the provider
    serves from threads. protobuf's implementation in Python: idle where the one in C is at work.
    """
    from google.protobuf.internal import api_implementation

    left_out = ["grpc.aio", "asyncio"]
    if api_implementation.Type() != "python":
        left_out.append("google.protobuf.internal.python_message")
    empty = {name: types.ModuleType(name) for name in left_out if name not in sys.modules}
    sys.modules.update(empty)

    import grpc  # noqa: F401 - for whoever imports it next

    if "asyncio" in empty:
        del sys.modules["asyncio"]  # whoever else asks for it gets the real one
