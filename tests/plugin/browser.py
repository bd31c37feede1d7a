"""A Chromium for the tests: one that is installed here, or the one that package.json brings."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

ROOT: Final = Path(__file__).parents[2]
AXE: Final = ROOT / "node_modules" / "axe-core" / "axe.min.js"

_ON_PATH: Final = ("chromium", "chromium-browser", "google-chrome")
_PACKAGE: Final = "@sparticuz/chromium"
_UNPACK: Final = f"import chromium from '{_PACKAGE}'; console.log(await chromium.executablePath());"


class NoChromium(Exception):
    """There is none that starts here; the text says what was tried."""


def executable() -> str:
    """The path of a Chromium. Raises NoChromium."""
    for name in _ON_PATH:
        if found := shutil.which(name):
            return found
    node, package = shutil.which("node"), ROOT / "node_modules" / _PACKAGE
    if node is None or not package.is_dir():
        raise NoChromium(
            f"no {', '.join(_ON_PATH)} on PATH, and no {package.relative_to(ROOT)} with a node to "
            "unpack it; `make set-up` installs both"
        )
    unpacked = ROOT / "node_modules" / ".cache" / "chromium"
    unpacked.mkdir(parents=True, exist_ok=True)
    # The package unpacks itself into the folder for temporary files.
    done = subprocess.run(
        [node, "--input-type=module", "--eval", _UNPACK],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        raise NoChromium(f"{_PACKAGE} cannot be unpacked: {done.stderr.strip()[:400]}")
    return done.stdout.strip()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; without one the tests of pages are skipped, and say so.

    For one file: as long as it runs, this thread cannot run a loop of asyncio of its own.
    """
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=executable())
        except (NoChromium, Error) as error:
            pytest.skip(f"PAGES ARE NOT TESTED, no Chromium starts here: {error}")
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of its own; what it complains of on its console fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    tab = context.new_page()
    tab.set_default_timeout(120_000)
    complaints: list[str] = []
    tab.on("console", lambda it: complaints.append(it.text) if it.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    context.close()
    # A request that is refused is one of the things that are tested.
    assert [it for it in complaints if not it.startswith("Failed to load resource")] == []
