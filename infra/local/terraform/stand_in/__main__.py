"""Started by Terraform: serve until it says Shutdown. See hashicorp/go-plugin for the handshake.

With `--attach`, started by us instead: print what TF_REATTACH_PROVIDERS has to be, serve any
number of Terraform commands, and end with the standard input. That saves Terraform the starts.

What serves imports gRPC, and is imported only by the process that does: `resident`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from infra.local.terraform.stand_in.resident import handed_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COOKIE = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"
_CORE_PROTOCOL = 1


def main() -> None:
    """Serves the protocol until Terraform says that it is enough."""
    is_attached = "--attach" in sys.argv[1:]
    if not is_attached and os.environ.get("TF_PLUGIN_MAGIC_COOKIE") != _COOKIE:
        sys.exit(
            "This is a Terraform provider: Terraform starts it, not you.\n"
            "To deploy to the local workspace: python -m infra.local.terraform"
        )
    # An interrupt at the terminal reaches us too; it is Terraform that decides when we stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if is_attached:
        _serve_attached()
    elif not handed_on(_served):
        _serve_until_shutdown()
    # Threads of gRPC would hold the interpreter for a moment more; Terraform waits for our end.
    sys.stdout.flush()
    os._exit(0)


def _serve_attached() -> None:
    from infra.local.terraform.stand_in.startup import import_grpc

    import_grpc()
    from infra.local.terraform.stand_in.provider import Provider
    from infra.local.terraform.stand_in.serving import attached

    with attached(Provider()) as attachment:
        print(attachment, flush=True)
        sys.stdin.buffer.read()


def _serve_until_shutdown() -> None:
    stopped = threading.Event()
    with _served(stopped.set) as handshake:
        print(handshake, flush=True)
        stopped.wait()


@contextlib.contextmanager
def _served(stop: Callable[[], None]) -> Iterator[str]:
    """A provider on a socket of its own; yields the line that Terraform waits for."""
    from infra.local.terraform.stand_in.startup import import_grpc

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
    with serve(Provider(), credentials=credentials, stop=stop) as socket:
        yield f"{_CORE_PROTOCOL}|{PROTOCOL}|unix|{socket}|grpc|{encoded}"


main()
