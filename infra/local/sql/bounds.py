"""What one statement may take: memory of this process, and time.

DuckDB's own limit counts its buffers, not the arrays and texts that an expression builds: of those
a single one may be larger than the machine. While statements run, the data of the whole process is
bounded; an allocation behind the bound fails, and DuckDB makes an error of that.
"""

from __future__ import annotations

import resource
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra.local.sql import errors
from infra.local.sql.errors import StatementError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STATEMENT_BYTES: Final = 3 * 2**30
"""Of data beyond what the process had before; DuckDB's buffers have 2 GB of them."""

STATEMENT_SECONDS: Final = 900.0

_lock = threading.Lock()
_running = 0


@contextmanager
def bounded(interrupt: Callable[[], None], seconds: float) -> Iterator[None]:
    """Bounds what is done inside, which `interrupt` stops; StatementError when its time is over."""
    over = threading.Event()

    def stop() -> None:
        over.set()
        interrupt()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    _enter()
    try:
        yield
    except errors.StatementCanceled:
        if not over.is_set():
            raise
        raise StatementError(
            errors.QUERY_EXECUTION_TIMEOUT_EXCEEDED,
            f"Query execution was cancelled due to exceeding the timeout ({seconds:.0f}s).",
        ) from None
    finally:
        timer.cancel()
        _leave()


def _enter() -> None:
    global _running
    with _lock:
        if _running == 0:
            _limit(_data_bytes() + STATEMENT_BYTES)
        _running += 1


def _leave() -> None:
    global _running
    with _lock:
        _running -= 1
        if _running == 0:
            _limit(resource.RLIM_INFINITY)


def _limit(size: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = size if most == resource.RLIM_INFINITY else min(size, most)
    if size == resource.RLIM_INFINITY:
        allowed = most
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))


def _data_bytes() -> int:
    """What the limit counts; where that cannot be read, so much that nothing is bounded."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[5]
    except (OSError, IndexError):
        return 2**50
    return int(pages) * resource.getpagesize()
