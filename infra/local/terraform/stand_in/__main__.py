"""Started by us: print what TF_REATTACH_PROVIDERS has to be, serve any number of Terraform
commands, and end with the standard input. That saves Terraform the starts of `start`.
"""

from __future__ import annotations

import os
import signal
import sys

from infra.local.terraform.stand_in.startup import import_grpc


def main() -> None:
    """Serves the protocol until the standard input ends."""
    # An interrupt at the terminal reaches us too; it is Terraform that decides when we stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import_grpc()
    from infra.local.terraform.stand_in.provider import Provider
    from infra.local.terraform.stand_in.serving import attached

    with attached(Provider()) as attachment:
        print(attachment, flush=True)
        sys.stdin.buffer.read()
    # Threads of gRPC would hold the interpreter for a moment more.
    os._exit(0)


main()
