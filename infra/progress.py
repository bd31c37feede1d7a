"""Says on standard error what takes a while, and that it still does."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUICK_SECONDS: Final = 0.5
_DOT_SECONDS: Final = 1.5


@contextlib.contextmanager
def progress(doing: str) -> Iterator[None]:
    """A line for what happens inside, with a dot for every moment more; none where it is quick.

    On standard error, so that what a command answers can be piped.
    """
    ended = threading.Event()

    def tell() -> None:
        if ended.wait(_QUICK_SECONDS):
            return
        print(f"{doing} ...", end="", file=sys.stderr, flush=True)
        while not ended.wait(_DOT_SECONDS):
            print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr, flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
