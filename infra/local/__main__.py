"""`python -m infra.local`: start the local workspace."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import errno
import fcntl
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from infra.declared.local_workspace import FOLDER, forget_other_workspaces
from infra.local.page.session import path_with_key
from infra.local.protocol import Http11
from infra.local.settings import CanNotStart, InvalidSettings, Settings
from infra.local.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from infra.local.workspace import Workspace

_BACKLOG = 2048
_SHUTDOWN_SECONDS = 10
_KEEP_ALIVE_SECONDS = 120
"""Longer than clients keep an idle connection (Go: 90), so that it is they who hang up. uvicorn's
5 would also break off a request that was sent while the machine was busy, or asleep, so long."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status when the workspace has stopped."""
    forget_other_workspaces()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    # Tokens, secrets and films are in what the workspace and its processes write.
    before = os.umask(0o077)
    try:
        settings = _settings(arguments)
        with _only_instance(settings), _listening(settings) as listener:
            # 0 has become the port that was free.
            _run(dataclasses.replace(settings, port=listener.getsockname()[1]), listener)
    except (InvalidSettings, CanNotStart, PermissionError) as error:
        print(f"The local workspace can not start: {error}", file=sys.stderr)
        return 1
    finally:
        os.umask(before)
    return 0


def _run(settings: Settings, listener: socket.socket) -> None:
    servers: list[uvicorn.Server] = []
    early: list[int] = []

    def leave(number: int, _: object) -> None:
        early.append(number)
        for server in servers:
            server.should_exit = True

    async def serve() -> None:
        async with _opened(settings) as workspace:
            config = uvicorn.Config(
                workspace.app,
                http=Http11,
                ws="none",
                lifespan="off",
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                backlog=_BACKLOG,
                server_header=False,
            )
            servers.append(uvicorn.Server(config))
            servers[0].should_exit = bool(early)
            _welcome(settings, workspace)
            await servers[0].serve(sockets=[listener])
            print("Stopping: endpoints and undelivered rows stay for the next start.", flush=True)

    # uvicorn hands the signal on after its own shutdown; ours comes then, so it must not kill. What
    # comes before uvicorn listens for it counts all the same.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    loop_factory = uvicorn.Config("").get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(serve())


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Workspace]:
    """The workspace; what keeps it from opening becomes CanNotStart."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            workspace = await stack.enter_async_context(open_workspace(settings))
        except (CanNotStart, PermissionError):
            raise
        except OSError as error:
            raise CanNotStart(_said(error, settings)) from error
        except Exception as error:
            raise CanNotStart(
                f"{type(error).__name__}: {error}\nThe data are in {settings.data}; --data "
                f"another/directory starts with none, --registry names the models "
                f"({settings.registry})."
            ) from error
        yield workspace


def _said(error: OSError, settings: Settings) -> str:
    return (
        f"{error.filename or settings.data}: {error.strerror or error}. Everything that the "
        f"workspace keeps is in {settings.data}: let it be written there, or give --data "
        "another/directory."
    )


def _welcome(settings: Settings, workspace: Workspace) -> None:
    host = settings.address
    print(
        f"Local workspace: Databricks-compatible, for this machine only; data in {settings.data}/\n"
        f"  host   {host}\n"
        f"  token  {workspace.token}\n"
        f"  page   {host}{path_with_key(workspace.token)}\n"
        "Try, in another terminal:\n"
        f"  export DATABRICKS_HOST={host} DATABRICKS_TOKEN=$(cat {settings.token_file})\n"
        '  curl -H "Authorization: Bearer $DATABRICKS_TOKEN" '
        "$DATABRICKS_HOST/api/2.0/serving-endpoints\n"
        "What is emulated and what differs: PARITY.md. Stop with Ctrl-C.",
        flush=True,
    )


@contextlib.contextmanager
def _only_instance(settings: Settings) -> Iterator[None]:
    """Hold the data directory; the lock goes with the process, however it ends."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        # Also what an earlier version has made, or somebody else.
        for folder in (FOLDER, FOLDER.parent) if settings.data == FOLDER else (settings.data,):
            folder.chmod(0o700)
        file = settings.lock_file.open("a+")
    except OSError as error:
        raise CanNotStart(_said(error, settings)) from error
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise CanNotStart(
                f"another instance (process {holder}) holds the data directory {settings.data}. "
                "Stop it, or start this one with --data another/directory and another --port."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CanNotStart(
                    f"can not listen on {settings.host}:{settings.port}: {error.strerror}."
                ) from error
            raise CanNotStart(
                f"port {settings.port} on {settings.host} is taken by another program. "
                "Stop that, or use --port N (0 takes any free port)."
            ) from None
        listener.listen(_BACKLOG)
        yield listener


def _settings(arguments: Sequence[str] | None) -> Settings:
    parser = argparse.ArgumentParser(
        prog="python -m infra.local",
        description="A Databricks-compatible workspace for this machine.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    helps = {
        "host": "loopback address to listen on",
        "port": "port to listen on; 0 takes any free one",
        "data": "directory of everything that the workspace keeps",
        "registry": "MLflow registry with the models, as a SQLAlchemy URI",
        "state_seconds": "how long an endpoint stays in an update at least",
        "settle_seconds": "how long GET of an endpoint waits for the end of an update",
        "delivery_seconds": "how long an answered request waits before it is in its tables",
        "scale_to_zero_seconds": "idle time before a served entity is scaled to zero",
        "execution_seconds": "longest time of one prediction",
        "start_seconds": "longest time to load a model",
        "queue_per_slot": "requests that may wait for each unit of concurrency before 429",
        "threads_per_entity": "threads of a framework in one served entity",
    }
    metavars = {"host": "ADDRESS", "port": "PORT", "data": "FOLDER", "registry": "URI"}
    for field in dataclasses.fields(Settings):
        kind = {"str": str, "int": int, "float": float, "Path": Path}[str(field.type)]
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=kind,
            default=field.default,
            metavar=metavars.get(field.name, "SECONDS" if "seconds" in field.name else "N"),
            help=helps[field.name],
        )
    return Settings(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
