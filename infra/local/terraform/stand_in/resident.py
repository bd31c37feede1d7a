"""One provider process for all that one Terraform command starts: the first of them stays.

Terraform starts a provider two to five times a command, and Python takes longer to import gRPC than
to answer. So a start looks for the process that an earlier start of the same command has left, and
only hands on its address; it ends when Terraform hangs up, as a provider does. What stays has the
environment of the command, answers nobody but this user, and ends with the command.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Serve = Callable[[Callable[[], None]], AbstractContextManager[str]]
    """Serves while its context is open, and yields the handshake; is given what Shutdown calls."""

_LOOK_SECONDS = 0.2
_IDLE_SECONDS = 10.0
_LONGEST_HANDSHAKE = 4096


def handed_on(serve: Serve) -> bool:
    """Whether another process has served Terraform until it hung up; False where none can."""
    folder = _folder()
    if folder is None:
        return False
    try:
        connection = _connected(folder, serve)
    except OSError:
        return False
    with connection:
        handshake = connection.recv(_LONGEST_HANDSHAKE)
        if not handshake:
            return False
        sys.stdout.write(handshake.decode())
        sys.stdout.flush()
        connection.recv(1)  # nothing more comes; the end does
    return True


def _folder() -> str | None:
    """For this user alone, named by the Terraform process that has started us."""
    name = f"stand-in-{os.getuid()}-{os.getppid()}"
    folder = os.path.join(os.environ.get("TMPDIR") or "/tmp", name)  # noqa: PTH118, S108
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103 - pathlib takes a while
        status = os.lstat(folder)
    except OSError:
        return None
    ours = status.st_uid == os.getuid() and status.st_mode & 0o077 == 0
    return folder if ours else None


def _connected(folder: str, serve: Serve) -> socket.socket:
    """A connection to the process that stays, which is started where there is none."""
    address = f"{folder}/control.sock"
    with open(f"{folder}/lock", "w") as lock:  # noqa: PTH123
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(address)
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(address)  # noqa: PTH108
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(address)
                listener.listen()
                if os.fork() == 0:
                    lock.close()
                    connection.close()
                    _stay(listener, folder, serve)
            connection.close()
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(address)
    return connection


def _stay(
    listener: socket.socket,
    folder: str,
    serve: Serve,
) -> None:
    """Serve every start of the command; never returns."""
    try:
        terraform = int(folder.rpartition("-")[2])
        os.setsid()
        # Terraform waits for the end of what it has started, and that includes its output.
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        listener.settimeout(_LOOK_SECONDS)
        sessions: list[threading.Thread] = []
        last = time.monotonic()
        while _is_there(terraform) and time.monotonic() - last < _IDLE_SECONDS:
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                connection.setblocking(True)
                sessions.append(threading.Thread(target=_session, args=(connection, serve)))
                sessions[-1].start()
            sessions = [session for session in sessions if session.is_alive()]
            if sessions:
                last = time.monotonic()
    finally:
        with contextlib.suppress(OSError):
            for name in ("control.sock", "lock"):
                os.unlink(f"{folder}/{name}")  # noqa: PTH108
            os.rmdir(folder)  # noqa: PTH106
        os._exit(0)


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _session(
    connection: socket.socket,
    serve: Serve,
) -> None:
    """One provider, until Terraform says Shutdown or the start that asked for it is gone."""
    stopped = threading.Event()

    def watch() -> None:
        with contextlib.suppress(OSError):
            connection.recv(1)
        stopped.set()

    with connection, serve(stopped.set) as handshake:
        connection.sendall(f"{handshake}\n".encode())
        threading.Thread(target=watch, daemon=True).start()
        stopped.wait()
        # At once, for Terraform waits; the answer to its Shutdown is sent meanwhile.
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
