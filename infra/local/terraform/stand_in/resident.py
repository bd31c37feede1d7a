"""One provider process for all that one Terraform command starts: the first of them leaves it.

What stays has the environment of the command, answers nobody but this user, serves each start until
Terraform says Shutdown to it or its process is gone, and ends with the command.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from infra.local.terraform.stand_in.startup import import_grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

_CORE_PROTOCOL = 1
_LOOK_SECONDS = 0.2
_IDLE_SECONDS = 10.0


def serve_alone() -> None:
    """Serve the one start that this process is, where no other can stay."""
    stopped = threading.Event()
    with _served(stopped.set) as handshake:
        sys.stdout.write(f"{handshake}\n")
        sys.stdout.flush()
        stopped.wait()


def stay(listener: int, folder: str) -> NoReturn:
    """Serve every start of the command that `folder` is named by, from a listening socket."""
    try:
        terraform = int(folder.rpartition("-")[2])
        os.setsid()
        # Terraform waits for the end of what it has started, and that includes its output.
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        _serve_starts(socket.socket(fileno=listener), terraform)
    finally:
        with contextlib.suppress(OSError):
            for name in ("control.sock", "lock"):
                os.unlink(f"{folder}/{name}")  # noqa: PTH108
            os.rmdir(folder)  # noqa: PTH106
        os._exit(0)


def _serve_starts(listener: socket.socket, terraform: int) -> None:
    listener.settimeout(_LOOK_SECONDS)
    sessions: list[threading.Thread] = []
    last = time.monotonic()
    while _is_there(terraform) and time.monotonic() - last < _IDLE_SECONDS:
        with contextlib.suppress(TimeoutError):
            connection, _ = listener.accept()
            connection.setblocking(True)
            sessions.append(threading.Thread(target=_session, args=(connection,)))
            sessions[-1].start()
        sessions = [session for session in sessions if session.is_alive()]
        if sessions:
            last = time.monotonic()


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _session(connection: socket.socket) -> None:
    """One provider, until Terraform says Shutdown or the start that asked for it is gone."""
    stopped = threading.Event()

    def watch() -> None:
        with contextlib.suppress(OSError):
            connection.recv(1)
        stopped.set()

    with connection, _served(stopped.set) as handshake:
        connection.sendall(f"{handshake}\n".encode())
        threading.Thread(target=watch, daemon=True).start()
        stopped.wait()
        # At once, for Terraform waits; the answer to its Shutdown is sent meanwhile.
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        # The first start is only asked for the schema. What later ones need to work with the
        # workspace is read now, while Terraform begins the next.
        importlib.import_module("infra.local.terraform.stand_in.rest")


@contextlib.contextmanager
def _served(stop: Callable[[], None]) -> Iterator[str]:
    """A provider on a socket of its own, whose Shutdown calls `stop`.

    Yields the line that Terraform waits for: the handshake of hashicorp/go-plugin.
    """
    import_grpc()
    import base64

    import grpc

    from infra.local.terraform.stand_in.certificate import own_certificate
    from infra.local.terraform.stand_in.provider import Provider
    from infra.local.terraform.stand_in.serving import serve
    from infra.local.terraform.stand_in.wire import PROTOCOL

    certificate = own_certificate()
    credentials = grpc.ssl_server_credentials([(certificate.key, certificate.pem)])
    encoded = base64.b64encode(certificate.der).decode().rstrip("=")
    with serve(Provider(), credentials=credentials, stop=stop) as address:
        yield f"{_CORE_PROTOCOL}|{PROTOCOL}|unix|{address}|grpc|{encoded}"
