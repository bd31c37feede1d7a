"""The provider on a Unix socket, which only its user can reach."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from infra.local.terraform.stand_in import ADDRESS
from infra.local.terraform.stand_in.wire import PROTOCOL, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.local.terraform.stand_in.provider import Provider

_THREADS = 16  # Terraform works on ten resources at a time


@contextlib.contextmanager
def attached(provider: Provider) -> Iterator[str]:
    """Yields what TF_REATTACH_PROVIDERS has to be for Terraform to use `provider`."""
    with serve(provider) as socket:
        attachment = {
            "Protocol": "grpc",
            "ProtocolVersion": PROTOCOL,
            "Pid": os.getpid(),
            "Test": True,  # Terraform leaves the process alone when a command ends
            "Addr": {"Network": "unix", "String": str(socket)},
        }
        yield json.dumps({ADDRESS: attachment})


@contextlib.contextmanager
def serve(
    provider: Provider, *, credentials: Any = None, stop: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """Yields the socket. Terraform's Shutdown calls `stop`."""
    pool = ThreadPoolExecutor(max_workers=_THREADS)
    server = grpc.server(pool)
    server.add_generic_rpc_handlers(tuple(Service(provider, stop=stop).handlers()))
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:  # mode 700
        socket = Path(folder) / "provider.sock"
        if credentials is None:
            server.add_insecure_port(f"unix:{socket}")
        else:
            server.add_secure_port(f"unix:{socket}", credentials)
        server.start()
        try:
            yield socket
        finally:
            server.stop(grace=0.2).wait(timeout=0.5)
            pool.shutdown(wait=False)
            provider.close()
