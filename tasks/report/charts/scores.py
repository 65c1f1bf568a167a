"""How good it is: predicted against actual, error by season, skill by cut-off, the way to the optimum."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.report.charts.chart import Chart, Specification, layered, quantitative, tooltips, with_unit
from tasks.report.charts.theme import BLUE, FAINT, INK, NUMBER, PALE, VERMILLION

MANY = 1000
"""Above this many points a density takes the place of marks."""
_BINS = 40
_SEASONS = {"format": "d", "tickMinStep": 1}
_PLACE: tuple[tuple[str, str], ...] = (("region", "region"), ("year", "season"))


def excess_curve(losses: pd.DataFrame) -> Chart:
    """How far training was above the exact optimum, epoch by epoch, down to what its certificate says.

    `losses`: as_of, epoch, excess; an epoch's running loss can undercut the optimum and is left out.
    """
    rows = losses[losses["excess"] > 0]
    x = quantitative("epoch", "epoch", axis={"tickMinStep": 1, "format": "d"})
    y = quantitative(
        "excess", "excess over the optimum", scale={"type": "log"}, axis={"format": ".0e", "tickCount": 5}
    )
    specification: Specification = {
        "width": "container",
        "height": 220,
        "data": {"name": "excess"},
        "mark": {"type": "line", "point": {"size": 18}},
        "encoding": {
            "x": x,
            "y": y,
            "color": {
                "field": "as_of",
                "type": "nominal",
                "legend": {} if rows["as_of"].nunique() > 1 else None,
            },
            "tooltip": tooltips(("as_of", "known up to"), ("epoch", "epoch"), ("excess", "excess", ".2e")),
        },
    }
    return Chart(
        specification, {"excess": rows}, "Excess of the training objective over its optimum by epoch"
    )


def skill_by_cutoff(skill: pd.DataFrame) -> Chart:
    """Skill of each crop by the last day whose weather was known; `skill`: as_of, crop, skill, in order."""
    days = list(dict.fromkeys(skill["as_of"]))
    x = {
        "field": "as_of",
        "type": "ordinal",
        "title": "weather known up to",
        "sort": days,
        "axis": {"labelAngle": 0},
    }
    line: Specification = {
        "data": {"name": "skill"},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": x,
            "y": quantitative("skill", "skill", axis={"format": "%"}),
            "color": {
                "field": "crop",
                "type": "nominal",
                "legend": {} if skill["crop"].nunique() > 1 else None,
            },
            "tooltip": tooltips(("crop", "crop"), ("as_of", "known up to"), ("skill", "skill", ".1%")),
        },
    }
    return Chart(
        layered(_level(0), line), {"skill": skill}, "Skill against the best naive baseline by cut-off day"
    )


def predicted_actual(name: str, rows: pd.DataFrame, crop: str, unit: str | None) -> Chart:
    """Predicted against actual yields about the line of equality; a density where points are many.

    `rows`: region, year, actual, predicted. `name` tells the chart's table from those of other crops.
    """
    low, high = _span(rows[["actual", "predicted"]].to_numpy(dtype=np.float64))
    scale = {"domain": [low, high], "nice": False}
    x = quantitative("actual", with_unit(f"actual {crop}", unit), scale=scale)
    y = quantitative("predicted", with_unit("predicted", unit), scale=scale)
    equal: Specification = {
        "data": {"values": [{"at": low}, {"at": high}]},
        "mark": {"type": "line", "color": INK, "strokeWidth": 1, "strokeDash": [5, 4]},
        "encoding": {
            "x": quantitative("at", x["title"], scale=scale),
            "y": quantitative("at", y["title"], scale=scale),
        },
    }
    if len(rows) <= MANY:
        table = rows[["region", "year", "actual", "predicted"]]
        marks: Specification = {
            "data": {"name": name},
            "mark": {"type": "point", "opacity": 0.65, "color": BLUE},
            "encoding": {
                "x": x,
                "y": y,
                "tooltip": tooltips(
                    *_PLACE,
                    ("actual", with_unit("actual", unit), NUMBER),
                    ("predicted", with_unit("predicted", unit), NUMBER),
                ),
            },
        }
    else:
        table = _density(rows, low, high)
        marks = {
            "data": {"name": name},
            "mark": {"type": "rect", "stroke": None},
            "encoding": {
                "x": x | {"field": "left"},
                "x2": {"field": "right"},
                "y": y | {"field": "bottom"},
                "y2": {"field": "top"},
                "color": {
                    "field": "rows",
                    "type": "quantitative",
                    "scale": {"type": "log"},
                    "legend": {"title": "region-seasons", "gradientLength": 120},
                },
                "tooltip": tooltips(("rows", "region-seasons", ",")),
            },
        }
    return Chart(layered(marks, equal, height=300), {name: table}, f"Predicted against actual {crop}")


def _span(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.03 * (high - low) or max(abs(high), 1.0) * 0.05
    return low - margin, high + margin


def _density(rows: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    """Region-seasons in squares of the plane; empty squares are left out."""
    edges = np.linspace(low, high, _BINS + 1)
    counts, _, _ = np.histogram2d(rows["actual"], rows["predicted"], bins=(edges, edges))
    across, up = np.nonzero(counts)
    return pd.DataFrame(
        {
            "left": edges[across],
            "right": edges[across + 1],
            "bottom": edges[up],
            "top": edges[up + 1],
            "rows": counts[across, up].astype(np.int64),
        }
    )


def error_by_season(name: str, seasons: pd.DataFrame, best: str, crop: str, unit: str | None) -> Chart:
    """RMSE of each season beside the best naive baseline's; seasons that trained the model stand on grey.

    `seasons`: year, rmse, naive (RMSE of the baseline called `best`), trained (bool).
    """
    long = seasons.melt(["year", "trained"], ["rmse", "naive"], "forecast", "error")
    long = long.assign(forecast=long["forecast"].map({"rmse": "this model", "naive": best}))
    trained = seasons.loc[seasons["trained"], "year"]
    title = with_unit(f"RMSE of {crop}", unit)
    line: Specification = {
        "data": {"name": name},
        "mark": {"type": "line", "point": {"size": 22}},
        "encoding": {
            "x": quantitative("year", None, axis=_SEASONS, scale={"nice": False}),
            "y": quantitative("error", title, scale={"zero": True}),
            "color": {
                "field": "forecast",
                "type": "nominal",
                "scale": {"domain": ["this model", best], "range": [BLUE, VERMILLION]},
            },
            "strokeDash": {
                "field": "forecast",
                "type": "nominal",
                "scale": {"domain": ["this model", best], "range": [[1, 0], [4, 3]]},
            },
            "tooltip": tooltips(("forecast", "forecast"), ("year", "season"), ("error", title, NUMBER)),
        },
    }
    layers = [line]
    if len(trained) and len(trained) < len(seasons):
        layers.insert(0, _band(float(trained.min()) - 0.5, float(trained.max()) + 0.5))
    return Chart(layered(*layers), {name: long}, f"Error by season of {crop}")


def _band(first: float, last: float) -> Specification:
    return {
        "data": {"values": [{"first": first, "last": last}]},
        "mark": {"type": "rect", "color": PALE, "opacity": 0.55},
        "encoding": {"x": {"field": "first", "type": "quantitative", "title": None}, "x2": {"field": "last"}},
    }


def _level(value: float) -> Specification:
    return {
        "data": {"values": [{"level": value}]},
        "mark": {"type": "rule", "color": INK, "strokeDash": [4, 3]},
        "encoding": {"y": {"field": "level", "type": "quantitative", "title": None}},
    }


def region_history(name: str, rows: pd.DataFrame, crop: str, unit: str | None) -> Chart:
    """Yields of the region that is chosen on the page, with what was predicted for seasons not trained on.

    `rows`: region, year, actual, predicted, lower, upper (null where nothing was predicted).
    """
    x = quantitative("year", None, axis=_SEASONS, scale={"nice": False})
    title = with_unit(crop, unit)
    tooltip = tooltips(
        *_PLACE,
        ("actual", with_unit("actual", unit), NUMBER),
        ("predicted", with_unit("predicted", unit), NUMBER),
        ("lower", "80 % from", NUMBER),
        ("upper", "to", NUMBER),
    )
    known, said = {"filter": "isValid(datum.actual)"}, {"filter": "isValid(datum.predicted)"}
    layers: list[Specification] = [
        {
            "transform": [{"filter": "isValid(datum.lower)"}],
            "mark": {"type": "rule", "strokeWidth": 5, "color": VERMILLION, "opacity": 0.3},
            "encoding": {"y": quantitative("lower", title), "y2": {"field": "upper"}},
        },
        {
            "transform": [known],
            "mark": {"type": "line", "color": FAINT, "strokeWidth": 1},
            "encoding": {"y": quantitative("actual", title)},
        },
        {
            "transform": [known],
            "mark": {"type": "point", "color": INK},
            "encoding": {"y": quantitative("actual", title), "tooltip": tooltip},
        },
        {
            "transform": [said],
            "mark": {"type": "point", "color": VERMILLION, "shape": "diamond", "size": 60},
            "encoding": {"y": quantitative("predicted", title), "tooltip": tooltip},
        },
    ]
    return Chart(
        layered(*layers, data={"name": name}, encoding={"x": x}, height=220),
        {name: rows},
        f"Yields of {crop} in the chosen region, and what was predicted",
        frozenset({name}),
    )
