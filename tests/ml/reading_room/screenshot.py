"""Takes the README's picture of the page: `python -m tests.ml.reading_room.screenshot`."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
from playwright.sync_api import sync_playwright

from ml.data.loading import BUNDLED
from tests.ml.reading_room.chromium import ROOT, executable
from tests.ml.reading_room.clinic import deployed_clinic, opened

PICTURE: Final = ROOT / "docs" / "reading-room.png"
READER: Final = "reader@clinic.example"
FILMS: Final = 12


def main() -> None:
    with np.load(BUNDLED) as archive:
        films = archive["val_images"][:FILMS, ..., np.newaxis] / 255
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clinic = stack.enter_context(deployed_clinic(folder))
        clinic.forget()
        for number, film in enumerate(films):
            clinic.predict(f"request-{number}", film.tolist())
        clinic.logged(FILMS)
        file, token = clinic.environment_file("audit_share = 1"), clinic.workspace.token
        room = stack.enter_context(opened(file, folder / "room", token, "--behind-proxy"))
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


if __name__ == "__main__":
    main()
