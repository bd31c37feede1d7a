"""Started by Terraform: serve until it says Shutdown. See hashicorp/go-plugin for the handshake.

With `--attach`, started by us instead: print what TF_REATTACH_PROVIDERS has to be, serve any
number of Terraform commands, and end with the standard input. That saves Terraform the starts.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import tempfile
import threading
from concurrent import futures
from pathlib import Path

from infra.local.terraform.stand_in.startup import import_grpc

import_grpc()

import grpc  # noqa: E402 - after the line above, which imports less of it

from infra.local.terraform.stand_in.certificate import own_certificate  # noqa: E402
from infra.local.terraform.stand_in.provider import Provider  # noqa: E402
from infra.local.terraform.stand_in.wire import Service  # noqa: E402

_COOKIE = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"
_ADDRESS = "registry.terraform.io/databricks/databricks"
_CORE_PROTOCOL = 1
_PLUGIN_PROTOCOL = 6
_THREADS = 16  # Terraform works on ten resources at a time


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
    stopped = threading.Event()
    service = Service(Provider(), stop=stopped.set)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=_THREADS))
    server.add_generic_rpc_handlers(tuple(service.handlers()))
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:  # mode 700
        socket = Path(folder) / "provider.sock"
        if is_attached:
            server.add_insecure_port(f"unix:{socket}")
            server.start()
            print(json.dumps({_ADDRESS: _attachment(socket)}), flush=True)
            sys.stdin.buffer.read()
        else:
            certificate = own_certificate()
            credentials = grpc.ssl_server_credentials([(certificate.key, certificate.pem)])
            server.add_secure_port(f"unix:{socket}", credentials)
            server.start()
            encoded = base64.b64encode(certificate.der).decode().rstrip("=")
            print(
                f"{_CORE_PROTOCOL}|{_PLUGIN_PROTOCOL}|unix|{socket}|grpc|{encoded}",
                flush=True,
            )
            stopped.wait()
        server.stop(grace=0.2).wait(timeout=0.5)
    # Threads of gRPC would hold the interpreter for a moment more; Terraform waits for our end.
    sys.stdout.flush()
    os._exit(0)


def _attachment(socket: Path) -> dict[str, object]:
    return {
        "Protocol": "grpc",
        "ProtocolVersion": _PLUGIN_PROTOCOL,
        "Pid": os.getpid(),
        "Test": True,  # Terraform leaves the process alone when a command ends
        "Addr": {"Network": "unix", "String": str(socket)},
    }


main()
