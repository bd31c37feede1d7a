"""Opens the reading room of an environment: ``python -m ml.reading_room``."""

import argparse
import logging
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infra.declared.local_workspace import HOST
from ml.contract.errors import UserError
from ml.reading_room.identity import FORWARDED_EMAIL
from ml.terminal.command import (
    Options,
    add_environment_option,
    add_test_option,
    add_warehouse_option,
    run,
    whole_number,
)

DEFAULT_PORT = 8190
_JOURNALS = Path(".local/reading-room")

_EPILOG = """\
Without --behind-proxy the reader is whoever the workspace's credentials belong to, and the page is
for this machine alone, and for those who have the link that is printed. With it, the reader of each
request is the user in the header X-Forwarded-Email that Databricks Apps sets, or in the one that
--proxy-header names; start it so only where nothing but that proxy reaches the port.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status when the room has closed."""
    given = _options().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        _serve(given)
    except KeyboardInterrupt:
        print("\nClosed. Readings that were not sent yet are sent when it is opened again.")
    return 0


def _options() -> argparse.ArgumentParser:
    parser = Options(
        prog="python -m ml.reading_room",
        description="Serves one page on which readers look at the films that wait for them, blind "
        "first, and say what they see.",
        epilog=_EPILOG,
    )
    add_environment_option(parser, "whose films")
    add_test_option(parser)
    add_warehouse_option(parser)
    parser.add_argument(
        "--port",
        type=whole_number(0, 65535),
        default=DEFAULT_PORT,
        help="0 takes a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--host",
        default=HOST,
        help="the address to listen on (default: %(default)s); another one needs --behind-proxy",
    )
    parser.add_argument(
        "--behind-proxy",
        action="store_true",
        help="readers are signed in by the proxy in front of this server",
    )
    parser.add_argument(
        "--proxy-header",
        metavar="NAME",
        default=FORWARDED_EMAIL,
        help="the header in which the proxy names the reader (default: %(default)s); one that the "
        "proxy does not set itself lets anybody be anybody",
    )
    parser.add_argument(
        "--journal",
        type=Path,
        metavar="FILE",
        help=f"keeps readings until they are written. Default: {_JOURNALS}/ENVIRONMENT.sqlite, of "
        "a test of another name than ab_test ENVIRONMENT.TEST.sqlite",
    )
    return parser


def _serve(given: argparse.Namespace) -> None:
    from infra.declared.endpoints import FIRST_TEST
    from infra.declared.environment import load
    from ml.reading_room.opening import opened
    from ml.reading_room.server import server
    from ml.reading_room.session import path_with, secret_in

    if given.host != HOST and not given.behind_proxy:
        raise UserError(
            f"--host {given.host}: without a proxy that signs users in, everybody who reaches this "
            f"address would read under your name. Leave --host out, or add --behind-proxy."
        )
    environment = load(given.environment, given.test)
    of = "" if environment.test == FIRST_TEST else f".{environment.test}"
    journal = given.journal or _JOURNALS / f"{environment.name}{of}.sqlite"
    try:
        journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=journal.parent).close()
    except OSError as error:
        raise UserError(
            f"{journal.parent}: {error.strerror}: readings are kept there until they are written. "
            "Name a file elsewhere with --journal."
        ) from error
    secret = None if given.behind_proxy else secret_in(journal.with_name(f"{journal.name}.key"))
    with (
        opened(
            environment,
            journal,
            warehouse=given.warehouse,
            behind_proxy=given.behind_proxy,
            proxy_header=given.proxy_header,
            secret=secret,
        ) as app,
        _listening(given.host, given.port) as listener,
    ):
        host, port = listener.getsockname()[:2]
        path = "/" if secret is None else path_with(secret)
        print(f"The reading room is open: http://{host}:{port}{path}", flush=True)
        print("Research use only. Not a medical device. Ctrl+C closes it.", flush=True)
        server(app).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise UserError(
            f"--port {port}: {host}:{port} cannot be listened on: {error.strerror}. Give another "
            "port; 0 takes a free one."
        ) from error


if __name__ == "__main__":
    sys.exit(run("ml.reading_room", main))
