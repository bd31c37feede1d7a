"""Opens the reading room of an environment: ``python -m ml.reading_room``."""

import argparse
import logging
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from infra.declared.local_workspace import HOST
from ml.contract.errors import UserError
from ml.terminal.command import add_environment_option, run, whole_number

if TYPE_CHECKING:
    from starlette.applications import Starlette

DEFAULT_PORT = 8190
_JOURNALS = Path(".local/reading-room")
_SHUTDOWN_SECONDS = 5
_KEEP_ALIVE_SECONDS = 120
"""Longer than the pauses of a reader: a connection that ends just then would lose what is saved."""
_PATIENCE_SECONDS = 10
"""For which a call to the workspace tries again: a reader waits for it."""

_EPILOG = """\
Without --behind-proxy the reader is whoever the workspace's credentials belong to, and the page is
for this machine alone. With it, the reader of each request is the user in the header
X-Forwarded-Email (or X-Forwarded-User) that Databricks Apps sets; start it so only where nothing
but that proxy reaches the port.
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
    parser = argparse.ArgumentParser(
        prog="python -m ml.reading_room",
        description="Serves one page on which readers look at the films that wait for them, blind "
        "first, and say what they see.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_environment_option(parser, "whose films")
    parser.add_argument(
        "--warehouse",
        metavar="NAME",
        help="name or id of the SQL warehouse. Default: the environment's",
    )
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
        "--journal",
        type=Path,
        metavar="FILE",
        help=f"keeps readings until they are written. Default: {_JOURNALS}/ENVIRONMENT.sqlite",
    )
    return parser


def _serve(given: argparse.Namespace) -> None:
    import uvicorn

    if given.host != HOST and not given.behind_proxy:
        raise UserError(
            f"--host {given.host}: without a proxy that signs users in, everybody who reaches this "
            f"address would read under your name. Leave --host out, or add --behind-proxy."
        )
    with ExitStack() as stack:
        app = _opened(given, stack)
        listener = stack.enter_context(_listening(given.host, given.port))
        host, port = listener.getsockname()[:2]
        print(f"The reading room is open: http://{host}:{port}/", flush=True)
        print("Research use only. Not a medical device. Ctrl+C closes it.", flush=True)
        uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                lifespan="off",
                server_header=False,
                # Names a client by the proxy's word; nothing here depends on it.
                proxy_headers=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            )
        ).run(sockets=[listener])


def _opened(given: argparse.Namespace, stack: ExitStack) -> "Starlette":
    """Everything behind the page; the stack closes it."""
    from infra.declared.analysis import Analysis
    from infra.declared.environment import load
    from ml.feedback.client import FeedbackClient
    from ml.reading_room.delivery import Delivery
    from ml.reading_room.films import Films, IngestedFilms
    from ml.reading_room.identity import ForwardedIdentity, WorkspaceIdentity
    from ml.reading_room.journal import Journal
    from ml.reading_room.queue import Queue
    from ml.reading_room.room import Room
    from ml.reading_room.server import application
    from ml.workspace.connection import connect
    from ml.workspace.endpoint import Endpoint
    from ml.workspace.warehouse import StatementError, Warehouse

    environment = load(given.environment)
    analysis = Analysis.of(environment)
    if analysis is None:
        raise UserError(
            f"environment {environment.name} logs no predictions, so there is nothing to read. "
            "Add [ab_test.inference_table] to its file and deploy it."
        )
    if environment.feedback is None:
        raise UserError(
            f"environment {environment.name} has no feedback endpoint, so no reading would be "
            "written. Add [feedback] to its file and deploy it."
        )
    client = connect(environment, retry_timeout_seconds=_PATIENCE_SECONDS)
    warehouse = Warehouse.named(client, given.warehouse or environment.warehouse_name)
    journal = Journal(given.journal or _JOURNALS / f"{environment.name}.sqlite")
    stack.callback(journal.close)
    endpoint = Endpoint(client, environment.feedback.endpoint)
    delivery = Delivery(journal, FeedbackClient(endpoint))
    room = Room(
        queue=Queue(warehouse, environment, analysis),
        films=Films(warehouse, analysis, IngestedFilms(client, environment)),
        journal=journal,
        delivery=delivery,
        readers=environment.reading.readers,
    )
    try:
        room.look()
    except StatementError as error:
        raise UserError(
            f"{error}\nThe reading room reads {analysis.full_name('predictions')} and the table "
            f"of the verdicts. The stacks create them: {environment.platform_stack} and, after "
            f"the first logged request, {environment.analysis_stack}."
        ) from error
    identity = ForwardedIdentity() if given.behind_proxy else WorkspaceIdentity.of(client)
    stack.enter_context(delivery.running())
    return application(room, identity, behind_proxy=given.behind_proxy)


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
