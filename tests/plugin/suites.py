"""Two suites: `make test` for every change, and `make test-all`, which also runs what is slow.

A test is left to the second one by `@pytest.mark.slow("why it is slow")`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEFT = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="also run what is marked as slow")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LEFT] = Counter()
    for line in (
        "slow(reason): too slow for every change; `make test-all` runs it",
        "programs: starts other programs; seconds, not milliseconds",
        "alone: measures time or memory; no other test runs beside it",
    ):
        config.addinivalue_line("markers", line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.all:
        return
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        (left if item.get_closest_marker("slow") else kept).append(item)
    for item in left:
        mark = item.get_closest_marker("slow")
        assert mark is not None
        assert mark.args, f"{item.nodeid}: slow needs a reason"
        config.stash[_LEFT][mark.args[0]] += 1
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = dict(session.config.stash[_LEFT])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Every worker collects all tests, so each has left the same ones."""
    left: Mapping[str, int] = getattr(node, "workeroutput", {}).get("left", {})
    node.config.stash[_LEFT] = Counter(left)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    left = config.stash[_LEFT]
    if not left:
        return
    terminalreporter.section("left to `make test-all`")
    for reason, count in sorted(left.items()):
        terminalreporter.line(f"{count:4}  {reason}")
