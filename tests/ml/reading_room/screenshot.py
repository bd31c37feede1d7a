"""Takes the README's picture of the page: `python -m tests.ml.reading_room.screenshot`."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from playwright.sync_api import sync_playwright

from infra.declared.environment import load
from ml.data.loading import BUNDLED
from tests.ml.reading_room.clinic import deployed, opened
from tests.plugin.browser import ROOT, executable
from tests.plugin.models import register, registry_uri
from tests.plugin.workspaces import started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugin.workspaces import RunningWorkspace

PICTURE: Final = ROOT / "docs" / "reading-room.png"
READER: Final = "reader@clinic.example"
FILMS: Final = 12


def main() -> None:
    with np.load(BUNDLED) as archive:
        films = archive["val_images"][:FILMS, ..., np.newaxis] / 255
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clinic = deployed(stack.enter_context(_workspace(folder)), folder)
        os.environ["DATABRICKS_TOKEN"] = clinic.workspace.token
        clinic.forget()
        for number, film in enumerate(films):
            clinic.predict(f"request-{number}", film.tolist())
        clinic.logged(FILMS)
        environment = load(clinic.environment_file("audit_share = 1"))
        journal = folder / "room" / "journal.sqlite"
        room = stack.enter_context(opened(environment, journal, behind_proxy=True))
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=executable()
        )
        page = browser.new_page(
            viewport={"width": 1280, "height": 860},
            extra_http_headers={"X-Forwarded-Email": READER},
        )
        page.goto(room.url)
        page.get_by_text("The next film is shown.").wait_for()
        page.get_by_role("radio", name="INDETERMINATE").check()
        page.get_by_role("radio", name="MEDIUM").check()
        page.get_by_label("Notes").fill("rotated; left lower zone")
        page.screenshot(path=PICTURE)
        browser.close()
    print(PICTURE.relative_to(ROOT))


@contextmanager
def _workspace(folder: Path) -> Iterator[RunningWorkspace]:
    with register("probe", folder) as registering:
        _, errors = registering.communicate()
    assert registering.returncode == 0, errors
    with started(folder, registry_uri(folder), "--delivery-seconds", "0.1") as start:
        yield start()


if __name__ == "__main__":
    main()
