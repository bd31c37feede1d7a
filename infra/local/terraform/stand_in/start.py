"""What Terraform starts: hands on the address of the process that serves, and ends with it.

Terraform starts a provider up to five times a command, and Python takes longer to import gRPC than
to answer. So a start looks for the process that an earlier start of the same command has left, and
forks it where there is none: `resident`. A start itself imports no package, not even its own, and
no module that makes enumerations or compiles patterns: that would be four fifths of its time.
"""

from __future__ import annotations

import _socket as sockets  # what `socket` wraps, without the enumerations that it makes
import fcntl
import os
import sys

_COOKIE = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"
"""By which a program knows that Terraform has started it. See hashicorp/go-plugin."""
_LONGEST_HANDSHAKE = 4096


def main() -> None:
    """Serves Terraform until it hangs up. Interrupts are ignored: the shim has seen to it."""
    if os.environ.get("TF_PLUGIN_MAGIC_COOKIE") != _COOKIE:
        sys.exit(
            "This is a Terraform provider: Terraform starts it, not you.\n"
            "To deploy to the local workspace: python -m infra.local.terraform"
        )
    if not _handed_on():
        _import_packages()
        from infra.local.terraform.stand_in.resident import serve_alone

        serve_alone()
    # Threads of gRPC would hold the interpreter for a moment more; Terraform waits for our end.
    os._exit(0)


def _handed_on() -> bool:
    """Whether another process has served Terraform until it hung up; False where none can."""
    folder = _folder()
    if folder is None:
        return False
    try:
        connection = _connected(folder)
        handshake = connection.recv(_LONGEST_HANDSHAKE)
        if not handshake:
            return False
        os.write(1, handshake)
        connection.recv(1)  # nothing more comes; the end does
    except OSError:
        return False
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


def _connected(folder: str) -> sockets.socket:
    """A connection to the process that stays, which is started where there is none."""
    address = f"{folder}/control.sock"
    lock = os.open(f"{folder}/lock", os.O_WRONLY | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        try:
            return _connection(address)
        except OSError:
            _fork_resident(address, folder, lock)
            return _connection(address)
    finally:
        os.close(lock)


def _connection(address: str) -> sockets.socket:
    connection = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    connection.connect(address)
    return connection


def _fork_resident(address: str, folder: str, lock: int) -> None:
    if os.path.lexists(address):
        os.unlink(address)  # noqa: PTH108
    listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    listener.bind(address)
    listener.listen()
    if os.fork() == 0:
        try:
            os.close(lock)
            _import_packages()
            from infra.local.terraform.stand_in.resident import stay

            stay(listener.detach(), folder)
        finally:
            os._exit(1)  # whatever it was: the start that waits serves itself, and says it
    listener.close()


def _import_packages() -> None:
    """From here on it is a process as any other: with site-packages, and our own above this one."""
    import site

    here = os.path.dirname(__file__)  # noqa: PTH120
    sys.path.remove(here)
    sys.path.insert(0, here.removesuffix("/infra/local/terraform/stand_in"))
    site.main()
