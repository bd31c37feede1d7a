"""One workspace with one A/B test for all tests; predictions, readings and rooms for each."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.ml.reading_room.chromium import NoChromium, executable
from tests.ml.reading_room.clinic import deployed_clinic, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.ml.reading_room.clinic import Clinic, OpenRoom

    OpenRoomWith = Callable[..., OpenRoom]


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """The A/B test and the feedback endpoint."""
    with deployed_clinic(tmp_path_factory.mktemp("clinic")) as clinic:
        yield clinic


@pytest.fixture
def clinic(deployed: Clinic) -> Clinic:
    """The A/B test without predictions and readings."""
    deployed.forget()
    return deployed


@pytest.fixture
def open_room(clinic: Clinic, tmp_path: Path) -> Iterator[OpenRoomWith]:
    """Opens rooms on the clinic's environment; the same folder has the same journal."""
    with ExitStack() as stack:

        def open_one(
            *options: str, reading: str = "", folder: str = "room", host: str | None = None
        ) -> OpenRoom:
            file = clinic.environment_file(reading, host)
            token = clinic.workspace.token
            return stack.enter_context(opened(file, tmp_path / folder, token, *options))

        yield open_one


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium; without one the tests of the page are skipped, and say so."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=executable())
        except (NoChromium, Error) as error:
            pytest.skip(f"THE PAGE IS NOT TESTED, no Chromium starts here: {error}")
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
