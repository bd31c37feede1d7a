"""A sign of life on a terminal while a command imports what it works with, which takes seconds."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TextIO

_QUICK_SECONDS = 1.0
_DOT_SECONDS = 1.5
_ERASED_LINE = "\r\x1b[K"


@contextlib.contextmanager
def starting(program: str) -> Iterator[None]:
    """Dots behind the program's name until it writes something itself, or ends."""
    if not sys.stderr.isatty():
        yield
        return
    begun = threading.Event()
    teller = threading.Thread(target=_tell, args=(program, begun), daemon=True)

    def stop() -> None:
        begun.set()
        teller.join()

    teller.start()
    try:
        with _noticed(sys.stdout, stop), _noticed(sys.stderr, stop):
            yield
    finally:
        stop()


@contextlib.contextmanager
def _noticed(stream: TextIO, stop: Callable[[], None]) -> Iterator[None]:
    write = stream.write

    def first(text: str) -> int:
        stop()
        return write(text)

    stream.write = first  # type: ignore[method-assign] # of this object, which print asks, too
    try:
        yield
    finally:
        stream.write = write  # type: ignore[method-assign]


def _tell(program: str, begun: threading.Event) -> None:
    if begun.wait(_QUICK_SECONDS):
        return
    _write(f"{program} ...")
    while not begun.wait(_DOT_SECONDS):
        _write(".")
    _write(_ERASED_LINE)


def _write(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody is there any more
        os.write(sys.stderr.fileno(), text.encode())
