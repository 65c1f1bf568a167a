"""How a forecast came about: its line through the season, what drives it, and how past ones turned out."""

from __future__ import annotations

import pandas as pd

from tasks.report.charts.chart import Chart, Specification, layered, quantitative, tooltips, with_unit
from tasks.report.charts.theme import BLUE, FAINT, INK, NUMBER, VERMILLION

_MOST_TERMS = 12
_SEASONS = {"format": "d", "tickMinStep": 1}


def season_line(
    name: str, issued: pd.DataFrame, mean_5: float | None, last: float | None, crop: str, unit: str | None
) -> Chart:
    """Forecasts of one season by day of issue with their 80 % band, beside the five-year mean and last year.

    `issued`: day (YYYY-MM-DD), predicted, lower, upper.
    """
    title = with_unit(crop, unit)
    day: Specification = {
        "field": "day",
        "type": "temporal",
        "title": "day of issue",
        "axis": {"format": "%-d %b", "tickCount": 5},
    }
    tooltip = tooltips(
        ("day", "issued"),
        ("predicted", with_unit("forecast", unit), NUMBER),
        ("lower", "80 % from", NUMBER),
        ("upper", "to", NUMBER),
    )
    layers: list[Specification] = [
        {
            "data": {"name": name},
            "mark": {"type": "area", "color": BLUE, "opacity": 0.18}
            if len(issued) > 1
            else {"type": "rule", "color": BLUE, "opacity": 0.3, "strokeWidth": 8},
            "encoding": {"x": day, "y": quantitative("lower", title), "y2": {"field": "upper"}},
        },
        {
            "data": {"name": name},
            "mark": {"type": "line", "color": BLUE, "point": {"size": 40}},
            "encoding": {"x": day, "y": quantitative("predicted", title), "tooltip": tooltip},
        },
    ]
    left, right = {"align": "left", "dx": 3, "x": 0}, {"align": "right", "dx": -3, "x": "width"}
    for value, text, dash, at in (
        (mean_5, "five-year mean", [6, 3], left),
        (last, "last year", [2, 2], right),
    ):
        if value is not None:
            layers += _marked(value, text, dash, title, at)
    return Chart(layered(*layers), {name: issued}, f"Forecasts of {crop} by day of issue")


def _marked(value: float, text: str, dash: list[int], title: str, at: Specification) -> list[Specification]:
    y = quantitative("value", title)
    data = {"values": [{"value": value, "text": text}]}
    label = {"type": "text", "dy": -6} | at
    return [
        {"data": data, "mark": {"type": "rule", "color": INK, "strokeDash": dash}, "encoding": {"y": y}},
        {"data": data, "mark": label, "encoding": {"y": y, "text": {"field": "text"}}},
    ]


def driver_bars(
    name: str,
    drivers: pd.DataFrame,
    crop: str,
    unit: str | None,
    picked: bool = False,
    rows: int | None = None,
) -> Chart:
    """What raises and lowers a forecast against its baseline, the most telling first.

    `drivers`: term (raw name), title (for people), contribution, value, usual (null where a mean says
    nothing), and region where the page picks it.
    """
    shown = min(rows or len(drivers), _MOST_TERMS)
    what = with_unit("contribution", unit)
    order: Specification = {"field": "size", "order": "descending", "op": "max"}
    encoding: Specification = {
        "y": {"field": "title", "type": "nominal", "title": None, "sort": order, "axis": {"labelLimit": 190}},
        "x": quantitative("contribution", what, scale={"zero": True}, axis={"grid": True}),
        "color": {"condition": {"test": "datum.contribution < 0", "value": VERMILLION}, "value": BLUE},
        "tooltip": tooltips(
            ("title", "driver"),
            ("contribution", what, NUMBER),
            ("value", "this season", NUMBER),
            ("usual", "usual", NUMBER),
            ("term", "column"),
        ),
    }
    rank: Specification = {
        "window": [{"op": "row_number", "as": "rank"}],
        "sort": [{"field": "size", "order": "descending"}],
    }
    specification: Specification = {
        "width": "container",
        "height": 24 * shown + 10,
        "data": {"name": name},
        "transform": [
            {"calculate": "abs(datum.contribution)", "as": "size"},
            rank,
            {"filter": f"datum.rank <= {_MOST_TERMS}"},
        ],
        "mark": "bar",
        "encoding": encoding,
    }
    return Chart(
        specification,
        {name: drivers},
        f"What drives the forecast of {crop}",
        frozenset({name}) if picked else frozenset(),
    )


def track_record(name: str, record: pd.DataFrame, crop: str, unit: str | None) -> Chart:
    """What was said of past seasons at this lead, with its 80 % interval, and what was harvested.

    `record`: year, said, lower, upper, actual (null where unknown), kind (issued or hindcast).
    """
    title = with_unit(crop, unit)
    x = quantitative("year", None, axis=_SEASONS, scale={"nice": False, "padding": 12})
    tooltip = tooltips(
        ("year", "season"),
        ("kind", "kind"),
        ("said", with_unit("forecast", unit), NUMBER),
        ("lower", "80 % from", NUMBER),
        ("upper", "to", NUMBER),
        ("actual", with_unit("harvested", unit), NUMBER),
    )
    layers: list[Specification] = [
        {
            "mark": {"type": "rule", "strokeWidth": 6, "opacity": 0.3, "color": BLUE},
            "encoding": {"y": quantitative("lower", title), "y2": {"field": "upper"}},
        },
        {
            "mark": {"type": "point", "size": 55},
            "encoding": {
                "y": quantitative("said", title),
                "shape": {
                    "field": "kind",
                    "type": "nominal",
                    "scale": {"domain": ["issued", "hindcast"], "range": ["diamond", "circle"]},
                },
                "color": {"value": BLUE},
                "tooltip": tooltip,
            },
        },
        {
            "mark": {"type": "line", "color": FAINT, "strokeWidth": 1},
            "encoding": {"y": quantitative("actual", title)},
        },
        {
            "mark": {"type": "tick", "color": INK, "thickness": 2, "size": 14, "orient": "horizontal"},
            "encoding": {"y": quantitative("actual", title), "tooltip": tooltip},
        },
    ]
    whole = layered(*layers, data={"name": name}, encoding={"x": x})
    return Chart(whole, {name: record}, f"Past forecasts of {crop} at this lead and what was harvested")
