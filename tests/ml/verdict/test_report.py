"""report.html as people see it: in headless Chromium, wide, on a phone, and in the dark."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.ml.verdict.log import CHALLENGER, CHAMPION, Log
from tests.plugin.browser import AXE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page


CUT = """() => [...document.querySelectorAll("svg")].flatMap((svg) => {
  const edge = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter((it) => {
    const box = it.getBoundingClientRect();
    return box.left < edge.left - 1 || box.right > edge.right + 1 ||
           box.top < edge.top - 1 || box.bottom > edge.bottom + 1;
  }).map((it) => it.textContent);
})"""

SIZES = ((1280, 800), (390, 844))

OVERLAPS = """() => {
  const found = [];
  for (const svg of document.querySelectorAll("svg")) {
    const texts = [...svg.querySelectorAll("text")]
      .map((it) => [it.textContent, it.getBoundingClientRect()]);
    for (const [i, [one, a]] of texts.entries())
      for (const [other, b] of texts.slice(i + 1))
        if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
            Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2) found.push([one, other]);
  }
  return found;
}"""


def many(log: Log) -> None:
    for number, arm in enumerate((CHAMPION, CHALLENGER)):
        outcomes = {"TP": 90, "FN": 10, "TN": 80 + 10 * number, "FP": 20 - 10 * number}
        log.films(arm, outcomes, site="a hospital with a long name")
        for tenth in range(10):  # a point in each bin of the calibration
            for truth in ("NORMAL", "PNEUMONIA"):
                log.film(arm, 0.05 + tenth / 10, truth, hours=12 * tenth, site="north")


def one_day(log: Log) -> None:
    log.films(CHAMPION, {"TP": 2, "FN": 1, "TN": 2}, hours=1)
    log.films(CHALLENGER, {"TP": 3, "TN": 1}, hours=2)


def nobody_read(log: Log) -> None:
    log.film(CHAMPION, 0.9, hours=1)
    log.film(CHALLENGER, 0.1, hours=2)


def a_gap(log: Log) -> None:
    """Two bins of the calibration whose points lie on each other, and days without a request."""
    for arm in (CHAMPION, CHALLENGER):
        for edge in (0.3, 0.7):
            for probability in (edge - 1e-4, edge + 1e-4):
                for number in range(120):
                    truth = ("NORMAL", "PNEUMONIA")[number % 2]
                    log.film(arm, probability, truth, hours=120 * (number % 2))


def one_class(log: Log) -> None:
    log.films(CHAMPION, {"TP": 12, "FN": 3})
    log.films(CHALLENGER, {"TP": 14, "FN": 1})


LOGS: dict[str, Callable[[Log], None]] = {
    "many films": many,
    "the first day": one_day,
    "no reading": nobody_read,
    "no answer": Log.end,
    "a gap": a_gap,
    "one class": one_class,
}


@pytest.fixture(params=LOGS)
def report(request: pytest.FixtureRequest, log: Log, experiment: Any, command: Any) -> Path:
    """A report, of each of the logs."""
    LOGS[request.param](log)
    subgroups = '["site"]' if request.param == "many films" else "[]"
    folder: Path = command(experiment(maturity=0, subgroups=subgroups))
    return folder / "report.html"


@pytest.fixture
def shown(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a report in a scheme of colours."""
    pages = []

    def show(report: Path, scheme: Any = "light") -> Page:
        page = browser.new_page(color_scheme=scheme)
        pages.append(page)
        page.goto(report.as_uri())
        return page

    yield show
    for page in pages:
        page.close()


@pytest.mark.programs
def test_no_text_lies_on_another_nor_beyond_the_edge(
    report: Path, shown: Callable[..., Page]
) -> None:
    page = shown(report)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})

        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OVERLAPS) == [], width
        assert page.evaluate(CUT) == [], width


LONGEST = 61
"""Characters of a model's name; its version and a hyphen make it the longest that is served."""


@pytest.mark.programs
@pytest.mark.parametrize("length", [24, 32, LONGEST])
def test_names_of_any_length_stay_whole_and_leave_the_plots_their_room(
    log: Log, experiment: Any, command: Any, shown: Callable[..., Page], length: int
) -> None:
    names = [(name + "_of_the_eastern_hospitals" * 3)[:length] for name in ("keras", "torch")]
    log.films(f"{names[0]}-1", {"TP": 30, "FN": 5, "TN": 20, "FP": 5}, hours=1)
    log.films(f"{names[1]}-2", {"TP": 30, "FN": 5, "TN": 20, "FP": 5}, hours=2)
    file = experiment(maturity=0)
    text = file.read_text()
    for short, name in zip(("keras", "torch"), names, strict=True):
        text = text.replace(f'"{short}"', f'"{name}"')
    file.write_text(text)

    page = shown(command(file) / "report.html")

    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT) == [], width
        assert page.evaluate(OVERLAPS) == [], width
    roc = page.locator("svg", has_text="sensitivity").filter(has_text="specificity").first
    assert len(roc.locator("text").filter(has_text=re.compile(r"^[01]\.\d+$")).all()) >= 8


@pytest.mark.programs
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    log: Log, experiment: Any, command: Any, shown: Callable[..., Page], scheme: str
) -> None:
    """axe-core's rules for WCAG 2.2 A and AA, contrast among them, and its best practices."""
    nobody_read(log)
    page = shown(command(experiment(maturity=0)) / "report.html", scheme)
    page.add_script_tag(path=AXE)

    found = page.evaluate("axe.run(document)")["violations"]

    assert [f"{it['id']}: {json.dumps(it['nodes'])[:400]}" for it in found] == []


@pytest.mark.programs
def test_in_the_dark_the_page_and_its_plots_are_dark(
    log: Log, experiment: Any, command: Any, shown: Callable[..., Page]
) -> None:
    one_day(log)
    page = shown(command(experiment(maturity=0)) / "report.html", "dark")

    for of, colour in (("body", "backgroundColor"), ("svg .patch path, svg #patch_1 path", "fill")):
        found = page.locator(of).first.evaluate(f"(it) => getComputedStyle(it).{colour}")
        assert max(map(int, re.findall(r"\d+", found)[:3])) < 60, (of, found)
    text = page.locator("svg text").first.evaluate("(it) => getComputedStyle(it).fill")
    assert min(map(int, re.findall(r"\d+", text)[:3])) > 150, text


@pytest.mark.parametrize("filled", [many, one_day, nobody_read])
def test_every_colour_of_a_plot_is_one_of_the_page(
    log: Log, experiment: Any, command: Any, filled: Callable[[Log], None]
) -> None:
    """Another one would be that of a light page also in the dark."""
    filled(log)
    page = (command(experiment(maturity=0)) / "report.html").read_text()

    plots = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert plots
    assert [re.findall(r"#[0-9a-f]{6}\b", plot) for plot in plots] == [[]] * len(plots)


def test_days_without_a_request_have_their_place_on_the_axis() -> None:
    from ml.verdict.report.plots import of_days

    assert list(of_days(["2026-02-27", "2026-02-28", "2026-03-03"])) == [1, 2, 5]


def test_one_day_shows_the_split_that_it_was_drawn_by() -> None:
    import numpy as np

    from ml.verdict.report.plots import traffic

    svg = traffic([np.array([5.0]), np.array([4.0])], np.array([0.5]), ["2026-03-02"])

    lines = re.search(r'<g id="LineCollection_1">.*?d="M (\S+) .*?L (\S+) ', svg, re.DOTALL)
    assert lines is not None
    assert float(lines[2]) - float(lines[1]) > 10


def test_where_the_test_stops_the_reason_is_said_once(
    log: Log, experiment: Any, command: Any
) -> None:
    log.films(CHAMPION, {"TP": 60, "TN": 60})
    page = (command(experiment(maturity=0)) / "report.html").read_text()

    assert "The test stops: sample-ratio mismatch" in page
    assert "may not rest on this either." in page
    assert page.count("The test stops: ") == 1


def test_labels_that_would_have_done_are_not_asked_for_again() -> None:
    from ml.verdict.judgement import Needed
    from ml.verdict.report.tabular import needed

    said = needed(Needed(as_observed=None, as_expected=400, chance=None), 600)

    assert said.endswith("about 400 labels would have led to one; there are 600.")


def test_the_verdict_comes_first_and_then_what_it_rests_on(
    log: Log, experiment: Any, command: Any
) -> None:
    many(log)
    page = (command(experiment(maturity=0)) / "report.html").read_text()

    order = (
        "<strong>INCONCLUSIVE</strong>",
        "An early step (no harm, for a step to at most 20 percent) may rest on this",
        "The conditions of the verdict",
        "Challenger minus champion",
        "How far the gains can be relied on",
        "The arms",
        "Every row of the log",
        "How it was made",
    )
    assert sorted(map(page.index, order)) == [page.index(part) for part in order]


def test_people_read_on_the_terminal_whether_an_early_step_may_rest_on_it(
    log: Log, experiment: Any, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    one_day(log)
    command(experiment(maturity=0), "--no-report")

    said = "An early step (no harm, for a step to at most 20 percent) may not rest on this: The "
    assert said in capsys.readouterr().out


def test_the_plots_say_on_how_many_films_they_rest(log: Log, experiment: Any, command: Any) -> None:
    many(log)
    page = (command(experiment(maturity=0)) / "report.html").read_text()

    assert re.search(rf">{CHAMPION}: AUC 0\.\d+ \(0\.\d+ to [01]\.\d+\), n = 220<", page)
    assert f">{CHALLENGER}, n = 220<" in page  # calibration; below it, of each point:
    assert re.findall(r">(\d+)</text>", page).count("2") >= 10


def test_on_the_first_day_the_axis_is_that_of_a_gain_and_the_interval_is_drawn() -> None:
    import numpy as np

    from ml.verdict.judgement import Path as Gained
    from ml.verdict.report.plots import intervals

    one = Gained(
        metric="sensitivity", estimates=np.array([0.3]), low=np.array([-1.0]), high=np.ones(1)
    )
    svg = intervals(one, 1, "day", [(0.0, "no difference"), (-0.05, "non-inferiority margin")])

    ticks = [float(it.replace("\N{MINUS SIGN}", "-")) for it in re.findall(r">([−\d.]+)<", svg)]
    assert min(ticks) == -1.0
    assert "LineCollection" in svg


@pytest.mark.parametrize(
    ("figure", "low", "high", "challenger"),
    [
        ("sensitivity", 0.01, 0.05, "better"),
        ("sensitivity", -0.05, -0.01, "worse"),
        ("brier", -0.05, -0.01, "better"),
        ("brier", 0.01, 0.05, "worse"),
        ("brier", -0.05, 0.01, "not shown"),
    ],
)
def test_a_gain_says_who_is_better(figure: str, low: float, high: float, challenger: str) -> None:
    from ml.verdict.report.table import compared
    from ml.verdict.statistics.betting import Interval

    assert compared(figure, Interval(value=(low + high) / 2, low=low, high=high, n=9)) == challenger


def test_at_80_columns_names_that_differ_at_their_ends_stay_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from rich.console import Console

    from ml.contract.decision import Decision
    from ml.verdict.report.conclusion import show
    from ml.verdict.report.table import Table

    names = [f"pneumonia_classifier_of_the_eastern_hospitals_{it}-12" for it in ("keras", "torch")]
    made = Decision.model_construct(mode="replay", verdict="KEEP", reason="", early_step=None)
    table = Table(title="The arms", heads=("figure", *names), rows=[("request", *names)])
    show(Console(width=80), made, [table])

    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith(("│", "┃"))]
    cells = list(zip(*(re.split("[│┃]", line)[1:-1] for line in lines), strict=True))
    for column, name in zip(cells[1:], names, strict=True):
        assert "".join(map(str.strip, column)) == 2 * name
