"""A Lakeview dashboard, drawn from its own JSON with the data that are here.

Tables are tables, bars and lines become Vega-Lite and are drawn without a browser; what is not
known here is said in the widget's place. Form of a layout:
https://docs.databricks.com/aws/en/dashboards/tutorials/dashboard-crud-api.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from infra.local.refusal import Refusal
from infra.local.sql.scripts import run_script

if TYPE_CHECKING:
    from infra.local.sql.statements import Statements

_TYPES: Final = {"categorical": "nominal", "quantitative": "quantitative", "temporal": "temporal"}
_CHARTS: Final = ("bar", "line", "area", "scatter")
_MOST_ROWS: Final = 1000
_KEPT_CHARTS: Final = 64
_GREY: Final = "#767676"
"""Of text and lines: 4.5 to 1 on white, and readable on a dark ground."""
_COLOURS: Final = ("#3b78c4", "#c8641e", "#5a9e4b", "#a0579e", "#b0902a", "#4b9aa3")

_Results = dict[str, list[dict[str, str | None]] | str]
"""Of each data set its rows, or why there are none."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A value of a table, as it is shown."""

    text: str
    is_number: bool


@dataclass(frozen=True, kw_only=True)
class Widget:
    """One of: text, a table, a chart, or a remark why there is none."""

    title: str = ""
    text: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    chart: str = ""
    """The name under which it is drawn, of the rows that stand below it."""
    remark: str = ""
    width: int = 12
    """Of twelve."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of a dashboard."""

    title: str
    widgets: tuple[Widget, ...]


class Drawings:
    """Draws dashboards; the latest charts are kept, by what is in them."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._charts: OrderedDict[str, str] = OrderedDict()

    def pages(self, serialized: str) -> tuple[Page, ...]:
        """Every page of a dashboard, each statement run once; takes seconds, so not on the event
        loop."""
        try:
            return self._pages(json.loads(serialized))
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            said = f"Its JSON is not that of a dashboard: {type(problem).__name__}: {problem}"
            return (Page(title="", widgets=(Widget(remark=said),)),)

    def _pages(self, definition: dict[str, Any]) -> tuple[Page, ...]:
        results: _Results = {}
        for dataset in definition.get("datasets") or ():
            query = "".join(dataset.get("queryLines") or [dataset.get("query") or ""])
            try:
                names, rows = run_script(self._statements, query)
            except Refusal as refusal:
                results[dataset["name"]] = refusal.message
            else:
                results[dataset["name"]] = [dict(zip(names, row, strict=True)) for row in rows]
        return tuple(
            Page(
                title=str(page.get("displayName") or page.get("name") or ""),
                widgets=tuple(
                    self._widget_or_remark(item, results) for item in page.get("layout") or ()
                ),
            )
            for page in definition.get("pages") or ()
        )

    def svg(self, name: str) -> bytes | None:
        """A chart as SVG; None for one that is not known any more."""
        spec = self._charts.get(name)
        if spec is None:
            return None
        import vl_convert  # loads for a while, and most starts draw nothing

        drawn: str = vl_convert.vegalite_to_svg(spec)
        return drawn.encode()

    def _widget_or_remark(self, item: dict[str, Any], results: _Results) -> Widget:
        """One widget that is written wrongly hides no other."""
        try:
            return self._widget(item["widget"], item.get("position") or {}, results)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as problem:
            name = (item.get("widget") or {}).get("name") or ""
            said = f"{type(problem).__name__}: {problem}"
            return Widget(title=str(name), remark=f"Its JSON is not that of a widget: {said}")

    def _widget(
        self, widget: dict[str, Any], position: dict[str, Any], results: _Results
    ) -> Widget:
        width = int(position.get("width") or 12)
        if "multilineTextboxSpec" in widget or "textbox_spec" in widget:
            lines = (widget.get("multilineTextboxSpec") or {}).get("lines") or []
            text = "".join(lines) or str(widget.get("textbox_spec") or "")
            return Widget(text=text.lstrip("# "), width=width)
        spec = widget.get("spec") or {}
        title = str((spec.get("frame") or {}).get("title") or widget.get("name") or "")
        queries = widget.get("queries") or ()
        dataset = queries[0]["query"]["datasetName"] if queries else ""
        rows = results.get(dataset, f"it has no data set {dataset!r}")
        if isinstance(rows, str):
            return Widget(title=title, remark=rows, width=width)
        kind, encodings = spec.get("widgetType"), spec.get("encodings") or {}
        if kind not in ("table", *_CHARTS):
            remark = f"A widget of the type {kind} is not drawn here."
            return Widget(title=title, remark=remark, width=width)
        columns = encodings.get("columns") if kind == "table" else _of_a_chart(encodings)
        columns, cut = columns or (), rows[:_MOST_ROWS]
        unknown = [it["fieldName"] for it in columns if rows and it["fieldName"] not in rows[0]]
        if unknown:
            remark = (
                f"The data set {dataset} has no {', '.join(unknown)}: it has {', '.join(rows[0])}."
            )
            return Widget(title=title, remark=remark, width=width)
        return Widget(
            title=title,
            columns=tuple(str(it.get("displayName") or it["fieldName"]) for it in columns),
            rows=tuple(
                tuple(_cell(row.get(it["fieldName"]), it.get("format") or {}) for it in columns)
                for row in cut
            ),
            chart=self._keep(kind, spec, cut) if rows and kind != "table" else "",
            remark=f"The first {len(cut)} of {len(rows)} rows." if len(cut) < len(rows) else "",
            width=width,
        )

    def _keep(self, kind: str, spec: dict[str, Any], rows: list[dict[str, str | None]]) -> str:
        drawn = json.dumps(vega(kind, spec, rows))
        name = hashlib.sha256(drawn.encode()).hexdigest()[:24]
        self._charts[name] = drawn
        self._charts.move_to_end(name)
        while len(self._charts) > _KEPT_CHARTS:
            self._charts.popitem(last=False)
        return name


def vega(kind: str, spec: dict[str, Any], rows: list[dict[str, str | None]]) -> dict[str, Any]:
    """A chart of Lakeview in Vega-Lite."""
    encoding: dict[str, Any] = {}
    channels = _channels(spec.get("encodings") or {})
    for channel, said in channels:
        # Fields are named by their channel: a column's own name may mean a path to Vega-Lite.
        encoding[channel] = {
            "field": channel,
            "type": _TYPES.get((said.get("scale") or {}).get("type") or "", "nominal"),
            "title": str(said.get("displayName") or said["fieldName"]),
        }
        if channel == "color":
            encoding[channel]["scale"] = {"range": list(_COLOURS)}
            encoding[channel]["legend"] = {"orient": "bottom", "labelLimit": 400}
        elif _percents(said.get("format") or {}):
            encoding[channel]["axis"] = {"format": ".0%"}
    grouped = (spec.get("mark") or {}).get("layout") == "group"
    if kind == "bar" and grouped and "color" in encoding and "x" in encoding:
        encoding["xOffset"] = {"field": "color"}
    mark: dict[str, Any] = {"type": {"scatter": "point"}.get(kind, kind)}
    if kind == "line":
        mark["point"] = True
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 480,
        "height": 220,
        "background": "transparent",
        "data": {
            "values": [
                {
                    channel: _plotted(row.get(said["fieldName"]), encoding[channel]["type"])
                    for channel, said in channels
                }
                for row in rows
            ]
        },
        "mark": mark,
        "encoding": encoding,
        "config": {
            "view": {"stroke": None},
            "axis": {
                **dict.fromkeys(("labelColor", "titleColor", "tickColor", "domainColor"), _GREY),
                "gridColor": f"{_GREY}40",
                "labelLimit": 300,
            },
            "legend": {"labelColor": _GREY, "titleColor": _GREY},
        },
    }


def _plotted(value: str | None, scale: str) -> str | float | None:
    return float(value) if value is not None and scale == "quantitative" else value


def _channels(encodings: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What stands on the axes and tells the marks apart."""
    named = ((it, encodings.get(it) or {}) for it in ("x", "y", "color"))
    return [(channel, said) for channel, said in named if "fieldName" in said]


def _of_a_chart(encodings: dict[str, Any]) -> list[dict[str, Any]]:
    return [said for _, said in _channels(encodings)]


def _percents(form: dict[str, Any]) -> bool:
    return form.get("type") == "number-percent"


def _cell(value: str | None, form: dict[str, Any]) -> Cell:
    if value is None:
        return Cell(text="", is_number=False)
    try:
        number = float(value)
    except ValueError:
        return Cell(text=value, is_number=False)
    places = int((form.get("decimalPlaces") or {}).get("places", 3))
    if _percents(form):
        return Cell(text=f"{number:.{places}%}", is_number=True)
    return Cell(text=value if number.is_integer() else f"{number:.{places}f}", is_number=True)
