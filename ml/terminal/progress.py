"""How commands show that they are at work."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")


def bar(
    console: Console,
    *further: ProgressColumn,
    transient: bool = False,
    redirect_stdout: bool = True,
) -> Progress:
    """A bar for each task: what is done, how much of it, for how long yet; on a terminal alone.

    ``further`` columns come behind; a ``transient`` bar goes when its work is done.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        *further,
        console=console,
        transient=transient,
        redirect_stdout=redirect_stdout,
        disable=not console.is_terminal,
    )


def tracked(items: Iterable[T], doing: str, total: int, console: Console) -> Iterator[T]:
    """The items, with a bar that says how many of the total have come."""
    with bar(console, transient=True) as progress:
        yield from progress.track(items, total=total, description=doing)


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
