"""Which tests may run side by side when there are several workers.

The tests of a file stay together, because they share what its fixtures build; files that share
more name a group: `pytestmark = pytest.mark.xdist_group("name")`. A test that is `alone` waits
until the other workers' tests have ended, and they wait for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """xdist 3.8's own `loadgroup` writes groups where pytest 9.2 does not read them any more."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):  # type: ignore[misc] # xdist publishes no types
        def _split_scope(self, nodeid: str) -> str:
            return _group(config.rootpath / nodeid.partition("::")[0])

    return ByGroup(config, log)


@functools.cache
def _group(file: Path) -> str:
    named = re.search(r"\bxdist_group\(\"(.+)\"\)", file.read_text())
    return named[1] if named else str(file)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    folder = _shared_by_workers(item.config)
    if folder is None:
        return (yield)
    with _turn(folder, alone=item.get_closest_marker("alone") is not None):
        return (yield)


def _shared_by_workers(config: pytest.Config) -> Path | None:
    """The folder of the run, where there are several workers."""
    if not hasattr(config, "workerinput"):
        return None
    basetemp: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    return basetemp.parent


@contextlib.contextmanager
def _turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Shared with other tests, or not. Whoever waits to be alone lets nobody overtake."""
    with (folder / "waiting").open("a") as waiting, (folder / "running").open("a") as running:
        fcntl.flock(waiting, fcntl.LOCK_EX)
        fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(waiting, fcntl.LOCK_UN)
        yield
