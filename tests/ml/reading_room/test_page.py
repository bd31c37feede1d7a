"""The page in headless Chromium: by keyboard, as a screen reader has it, and while things fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.ml.reading_room.clinic import film
from tests.plugin.browser import AXE

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

    from tests.ml.reading_room.clinic import Clinic, OpenRoomWith, StartRoom
    from tests.plugin.films import Arrays

pytestmark = pytest.mark.programs

SHOWN = "The next film is shown."


def enter(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_text(SHOWN).wait_for()


def fill(page: Page, verdict: str = "PNEUMONIA", confidence: str = "HIGH", notes: str = "") -> None:
    page.get_by_role("radio", name=verdict).check()
    page.get_by_role("radio", name=confidence).check()
    page.get_by_label("Notes").fill(notes)


def save(page: Page) -> None:
    page.get_by_role("button", name="Save the reading").click()


def greys(page: Page) -> np.ndarray[Any, Any]:
    """The red channel of what the canvas shows."""
    # One text: an array of numbers takes Playwright seconds.
    reds = page.get_by_role("img").evaluate(
        "(it) => Array.from(it.getContext('2d').getImageData(0, 0, it.width, it.height).data)"
        ".filter((_, index) => index % 4 === 0)"
        ".map((red) => red.toString(16).padStart(2, '0')).join('')"
    )
    return np.frombuffer(bytes.fromhex(reds), np.uint8).astype(int)


def test_a_film_is_read_by_keyboard_alone(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.predict("request-2", 0.9)
    clinic.logged(2)
    enter(page, open_room().url)
    press = page.keyboard.press

    press("Tab")  # the buttons of the picture are one stop
    press("Tab")
    assert page.evaluate("document.activeElement.name") == "ground_truth"
    press("Space")
    press("ArrowDown")  # PNEUMONIA
    press("Tab")
    press("Space")
    press("ArrowDown")
    press("ArrowDown")  # HIGH
    press("Tab")
    page.keyboard.type("lower lobe")
    press("Tab")
    press("Enter")
    page.get_by_role("button", name="Next film").wait_for()
    press("Tab")
    press("Enter")  # Show the models' probability
    page.get_by_text("Probability of PNEUMONIA: 0.900").last.wait_for()
    press("Enter")  # Next film has the focus again
    page.get_by_text("Films that wait for you: 1.").wait_for()

    first, record = clinic.readings()
    assert (first["ground_truth"], first["confidence"]) == ("PNEUMONIA", "HIGH")
    assert first["notes"] == "lower lobe"
    assert record["output_shown_at"] is not None


def test_a_film_is_read_with_three_keys(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    """And what has been read does not wait any more, at once."""
    clinic.predict("request-1", 0.9)
    clinic.predict("request-2", 0.9)
    clinic.logged(2)
    enter(page, open_room().url)
    assert page.get_by_text("Films that wait for you: 2.").is_visible()

    for key in ("1", "2", "6", "Enter"):  # the second thought counts
        page.keyboard.press(key)
    page.get_by_text("Saved. PNEUMONIA, HIGH.").wait_for()

    assert page.get_by_text("Films that wait for you: 1.").is_visible()
    [row] = clinic.readings()
    assert (row["ground_truth"], row["confidence"]) == ("PNEUMONIA", "HIGH")
    page.get_by_role("button", name="Correct this reading").click()
    page.keyboard.press("3")
    save(page)
    page.get_by_text("Saved. INDETERMINATE, HIGH.").wait_for()
    assert page.get_by_text("Films that wait for you: 1.").is_visible()


def test_the_arrows_lead_from_button_to_button_of_the_picture(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    enter(page, open_room().url)
    press = page.keyboard.press

    press("Tab")
    press("ArrowLeft")  # around the end
    assert page.evaluate("document.activeElement.textContent") == "Reset"
    press("ArrowLeft")
    press("Enter")
    assert "inverted" in (page.locator("#view").text_content() or "")
    press("Shift+Tab")
    press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Invert"


def test_what_the_models_said_is_explained(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    twice = film(0.9)
    clinic.predict("request-1", twice)
    clinic.predict("request-2", twice)
    clinic.logged(2)
    enter(page, open_room().url)
    fill(page)
    save(page)
    page.get_by_role("button", name="Show the models' probability").click()

    page.get_by_text("Answer 1 of 2. Probability of PNEUMONIA: 0.900, called PNEUMONIA.").wait_for()
    assert page.get_by_text("Answer 2 of 2. Probability of PNEUMONIA: 0.900").is_visible()
    explained = page.get_by_text("This film was sent 2 times").text_content() or ""
    for said in ("at least 0.5 is called PNEUMONIA", "Which model", "stays as you saved it"):
        assert said in explained


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_film_and_reading_are_on_the_screen_together(
    clinic: Clinic, open_room: OpenRoomWith, page: Page, width: int, height: int
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    page.set_viewport_size({"width": width, "height": height})
    enter(page, open_room().url)

    for part in (page.get_by_role("img"), page.get_by_role("button", name="Save the reading")):
        box = part.bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= height
        assert box["x"] + box["width"] <= width
    page.mouse.wheel(0, 2000)
    page.wait_for_timeout(100)
    shown = page.get_by_role("img").bounding_box()
    assert shown is not None
    assert shown["y"] > -shown["height"] / 2  # it stays while the page scrolls


def test_the_magnification_is_that_of_the_films_pixels(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    page.set_viewport_size({"width": 1280, "height": 800})
    enter(page, open_room().url)
    view = page.locator("#view")
    box = page.get_by_role("img").bounding_box()
    assert box is not None

    times = min(box["height"], box["width"]) / 28
    assert f"28 × 28 pixels, magnified {times:.0f} ×, the whole film" in (view.text_content() or "")
    page.get_by_role("img").press("+")
    assert f"magnified {1.25 * times:.0f} ×, zoomed 1.25 ×" in (view.text_content() or "")


def test_the_focus_is_always_somewhere_that_can_be_seen(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    enter(page, open_room().url)
    assert page.evaluate("document.activeElement.id") == "film"

    for _ in range(14):
        outline = page.evaluate(
            "(({outlineStyle, outlineWidth}) => [outlineStyle, parseFloat(outlineWidth)])"
            "(getComputedStyle(document.activeElement))"
        )
        assert outline == ["solid", 3], page.evaluate("document.activeElement.outerHTML")
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
    fill(page)
    save(page)
    page.get_by_role("button", name="Next film").wait_for()
    assert page.evaluate("document.activeElement.id") == "next"


@pytest.mark.parametrize("moment", ["reading", "saved", "revealed", "problem", "empty"])
def test_axe_finds_nothing(
    clinic: Clinic, open_room: OpenRoomWith, page: Page, moment: str
) -> None:
    """axe-core's rules for WCAG 2.2 A and AA, contrast among them, and its best practices."""
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    # Before the page's own scripts: its policy lets no other in later.
    page.add_init_script(path=AXE)
    enter(page, open_room().url)
    if moment == "problem":
        save(page)
        page.get_by_text("Not saved yet.").wait_for()
    if moment in {"saved", "revealed", "empty"}:
        fill(page)
        save(page)
        page.get_by_role("button", name="Next film").wait_for()
    if moment == "revealed":
        page.get_by_role("button", name="Show the models' probability").click()
        page.get_by_text("Probability of PNEUMONIA").last.wait_for()
    if moment == "empty":
        page.get_by_role("button", name="Next film").click()
        page.get_by_role("button", name="Look again").wait_for()

    found = page.evaluate("axe.run(document)")

    assert [f"{it['id']}: {json.dumps(it['nodes'])[:600]}" for it in found["violations"]] == []
    assert len(found["passes"]) > 20


def test_what_happens_is_said_to_screen_readers(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    enter(page, open_room().url)
    assert page.get_by_role("status").text_content() == SHOWN

    save(page)
    page.get_by_role("alert").get_by_text("Choose first: What the film shows.").wait_for()
    fill(page)
    save(page)
    page.get_by_role("status").get_by_text("Saved.").wait_for()
    page.get_by_role("button", name="Next film").click()
    page.get_by_role("status").get_by_text("No film waits for you.").wait_for()


def test_the_banner_says_what_the_page_is_not(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    page.goto(open_room().url)

    assert page.get_by_text("Research use only. Not a medical device.").is_visible()


def test_the_readers_name_is_shown_and_cannot_be_typed(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    page.set_extra_http_headers({"X-Forwarded-Email": "ada@clinic.example"})
    enter(page, open_room(behind_proxy=True).url)

    assert page.get_by_text("ada@clinic.example").is_visible()
    assert page.get_by_role("textbox").count() == 1  # the notes


def test_before_the_reading_is_saved_the_browser_learns_nothing(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    """In no address, header, body or part of the page."""
    clinic.predict("person7_bacteria_3", 0.8125)
    clinic.logged(1)
    requests: list[Request] = []
    page.on("requestfinished", lambda request: requests.append(request))
    enter(page, open_room().url)
    fill(page)
    learned = [
        page.content(),
        page.evaluate("JSON.stringify({...sessionStorage, ...localStorage})"),
    ]
    for request in requests:
        answer = request.response()
        assert answer is not None
        learned += [request.url, json.dumps(answer.all_headers()), answer.body().decode("latin-1")]

    assert len(requests) >= 5
    for secret in ("person7", "bacteria", "0.81", "81.2", "called", "pneumonia_poc"):
        known = [it for it in learned if secret in it and "One reader at the desk" not in it]
        assert known == [], secret


def test_keys_zoom_move_and_window_the_film(
    clinic: Clinic, open_room: OpenRoomWith, page: Page, bundled: Arrays
) -> None:
    image = bundled["val_images"][0]
    clinic.predict("request-1", (image[..., np.newaxis] / 255).tolist())
    clinic.logged(1)
    enter(page, open_room(reading="audit_share = 1").url)
    canvas = page.get_by_role("img")
    whole = greys(page)

    def pressed(*keys: str) -> np.ndarray[Any, Any]:
        for key in keys:
            canvas.press(key)
        return greys(page)

    assert not np.array_equal(pressed("+", "+"), whole)
    assert not np.array_equal(pressed("ArrowLeft"), pressed("ArrowRight"))
    assert np.array_equal(pressed("0"), whole)
    shown = whole > 0
    assert pressed("d", "d").mean() > whole.mean()  # a lower level is a brighter picture
    assert pressed("0", "e", "e").mean() < whole.mean()
    assert pressed("0", "s", "s", "s", "s").std() > whole.std()  # a narrower window has contrast
    assert np.abs(pressed("0", "i")[shown] - (255 - whole[shown])).max() <= 2
    assert "inverted" in (page.locator("#view").text_content() or "")


def test_keys_in_the_notes_are_text(clinic: Clinic, open_room: OpenRoomWith, page: Page) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    enter(page, open_room().url)
    before = page.locator("#view").text_content()

    page.get_by_label("Notes").press_sequentially("wide+0i12")

    assert page.get_by_label("Notes").input_value() == "wide+0i12"
    assert page.locator(":checked").count() == 0
    assert page.locator("#view").text_content() == before


def test_the_probability_is_not_on_offer_before_the_reading_is_saved(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    enter(page, open_room().url)
    offer = page.get_by_role("button", name="Show the models' probability")

    assert offer.count() == 0
    fill(page)
    save(page)
    offer.wait_for()


def test_a_correction_keeps_the_first_reading_on_record(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    enter(page, open_room().url)
    fill(page, "NORMAL")
    save(page)

    page.get_by_role("button", name="Correct this reading").click()
    page.get_by_role("radio", name="PNEUMONIA").check()
    save(page)
    page.get_by_text("Saved. PNEUMONIA, HIGH.").wait_for()

    first, second = clinic.readings()
    assert [first["ground_truth"], second["ground_truth"]] == ["NORMAL", "PNEUMONIA"]
    assert second["supersedes"] == first["feedback_id"]


def test_while_the_endpoint_is_away_the_reader_is_told_and_goes_on(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.predict("request-2", 0.9)
    clinic.logged(2)
    enter(page, open_room().url)
    with clinic.without_feedback_endpoint():
        fill(page)
        save(page)
        page.get_by_role("status").get_by_text("sent again until it is saved").wait_for()
        assert page.get_by_role("button", name="Show the models' probability").count() == 0
        page.get_by_role("button", name="Next film").click()
        page.get_by_text("1 of your readings wait to be sent.").wait_for()


def test_while_the_server_is_away_the_reading_stays_on_the_page(
    clinic: Clinic, start_room: StartRoom, open_room: OpenRoomWith, page: Page
) -> None:
    """And goes, when the server is back, under the same id."""
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    room = start_room()
    enter(page, room.link)
    fill(page, "INDETERMINATE", "LOW", notes="rotated")
    room.kill()

    save(page)
    page.get_by_role("alert").get_by_text("Your reading is still on this page").wait_for()
    assert page.get_by_label("Notes").input_value() == "rotated"
    open_room(port=room.port)
    save(page)
    page.get_by_text("Saved. INDETERMINATE, LOW.").wait_for()

    [row] = clinic.readings()
    assert row["notes"] == "rotated"


def test_a_reload_brings_back_the_film_and_what_was_entered(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.predict("request-2", 0.9)
    clinic.logged(2)
    enter(page, open_room().url)
    fill(page, "PNEUMONIA", "MEDIUM", notes="left lower lobe")

    page.reload()
    page.get_by_text(SHOWN).wait_for()

    assert page.get_by_role("radio", name="PNEUMONIA").is_checked()
    assert page.get_by_role("radio", name="MEDIUM").is_checked()
    assert page.get_by_label("Notes").input_value() == "left lower lobe"


def test_a_double_click_saves_one_reading(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    enter(page, open_room().url)
    fill(page)

    page.get_by_role("button", name="Save the reading").dblclick()
    page.get_by_role("button", name="Next film").wait_for()

    assert len(clinic.readings()) == 1


def test_a_narrow_window_needs_no_sideways_scrolling(
    clinic: Clinic, open_room: OpenRoomWith, page: Page
) -> None:
    """WCAG 2.2, 1.4.10: at 320 CSS pixels, which a window of 1280 has at 400 %."""
    clinic.predict("request-1", 0.9)
    clinic.logged(1)
    page.set_viewport_size({"width": 320, "height": 640})
    enter(page, open_room().url)

    assert page.evaluate("document.documentElement.scrollWidth") <= 320
