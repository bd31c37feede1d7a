"""How commands show that they are at work."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def status(console: Console, doing: str) -> Iterator[None]:
    """Says what takes a while: a spinner on a terminal, a line elsewhere."""
    if console.is_terminal:
        with console.status(f"{doing} ..."):
            yield
    else:
        console.print(f"{doing} ...")
        yield


@contextmanager
def silenced_natives() -> Iterator[None]:
    """Keeps what native code writes to stderr out of a command's output.

    TensorFlow greets before its own log level counts: of missing CUDA drivers, twice. Python's
    exceptions are not touched.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
