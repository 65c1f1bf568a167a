"""A map of regions: their boundaries, or tiles grouped by larger units where boundaries are not known."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from tasks.report.charts.boundaries import Boundaries
from tasks.report.charts.chart import Chart, Specification, tooltips
from tasks.report.charts.theme import BELOW_ABOVE, FAINT, INK, NONE, NUMBER

SHAPES = "shapes"
_COLUMNS = ["region", "name", "departure", "predicted", "lower", "upper", "mean_5", "chance"]
_WORLD = 150.0
"""Degrees of longitude above which a map shows the whole earth."""
_UNKNOWN = {"scale": {"invalid": {"color": {"value": NONE}}}}
"""Where there is no departure."""
_TILES_ACROSS, _LEAST_ACROSS = 34, 12.0
_HEIGHT = 500
_LEAST_TILE = 15  # pixels, for a label of three letters
_FINE = 500
"""Regions above which borders are drawn as hairlines, and tiles have no labels."""


def departure_map(
    name: str, regions: pd.DataFrame, boundaries: Boundaries | None, crop: str, unit: str | None
) -> Chart:
    """Departures from the five-year mean by region, brown below and green above.

    `regions`: region, name, group (null without a larger unit), predicted, lower, upper, mean_5, departure
    (a share: predicted / mean_5 - 1) and chance (of a yield below the mean); null where unknown.
    """
    at = f" {unit}" if unit else ""
    tooltip = tooltips(
        ("name", "region"),
        ("departure", "against the five-year mean", "+.1%"),
        ("predicted", f"forecast{at}", NUMBER),
        ("lower", "80 % from", NUMBER),
        ("upper", "to", NUMBER),
        ("mean_5", f"five-year mean{at}", NUMBER),
        ("chance", "chance below it", ".0%"),
    )
    colour = _colour(regions)
    label = f"Map of the forecast of {crop} against the five-year mean"
    with_boundary = (
        0 if boundaries is None else sum(region in boundaries.polygons for region in regions["region"])
    )
    if boundaries is None or with_boundary == 0:
        return _tiles(name, regions, colour, tooltip, label)
    table = regions[_COLUMNS]
    west, south, east, north = boundaries.extent
    specification: Specification = {
        "width": "container",
        "height": _HEIGHT,
        "usermeta": {"shape": _shape(west, south, east, north)},
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"name": SHAPES, "format": {"type": "topojson", "feature": "regions"}},
        "projection": _projection(west, south, east, north),
        "transform": [
            {
                "lookup": "properties.region",
                "from": {"data": {"name": name}, "key": "region", "fields": list(table.columns)},
            }
        ],
        "mark": {
            "type": "geoshape",
            "invalid": "show",
            "cursor": "pointer",
            "strokeWidth": 0.15 if len(table) > _FINE else 0.5,
        },
        "encoding": {"color": colour, "tooltip": tooltip},
        "config": _UNKNOWN,
    }
    return Chart(specification, {name: table}, label, shapes={SHAPES: boundaries.topology})


def _colour(regions: pd.DataFrame) -> Specification:
    """Symmetric about 0, cut where one region in fifty is beyond, lest one extreme fade the rest."""
    sizes = regions["departure"].abs().dropna()
    reach = max(float(sizes.quantile(0.98)), 0.01) if len(sizes) else 0.1
    return {
        "field": "departure",
        "type": "quantitative",
        "scale": {
            "domain": [-reach, 0, reach],
            "range": list(BELOW_ABOVE),
            "type": "linear",
            "clamp": True,
            "interpolate": "rgb",
        },
        "legend": {
            "title": "forecast against the five-year mean",
            "format": "+.0%",
            "labelExpr": "datum.value === 0 ? '0%' : datum.label",
            "gradientLength": 200,
            "tickCount": 5,
        },
    }


def _projection(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """Equal areas: the whole earth, or a cone that touches the extent."""
    if east - west > _WORLD:
        return {"type": "equalEarth"}
    sixth = (north - south) / 6
    return {
        "type": "conicEqualArea",
        "rotate": [-(west + east) / 2, 0],
        "parallels": [round(south + sixth, 3), round(north - sixth, 3)],
    }


def _shape(west: float, south: float, east: float, north: float) -> float:
    """Height of the map by its width, neither a ribbon nor a tower; the page makes use of it."""
    shape = (north - south) / max((east - west) * math.cos(math.radians((south + north) / 2)), 1e-9)
    return round(min(max(shape, 0.3), 1.2), 3)


def _tiles(
    name: str, regions: pd.DataFrame, colour: Specification, tooltip: list[Specification], label: str
) -> Chart:
    """One tile for each region, those of one larger unit together under its name."""
    table, titles, rows = _placed(regions)
    across = max(_LEAST_ACROSS, *table["right"])
    x: Specification = {
        "field": "x",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [0, across], "nice": False},
    }
    y: Specification = {
        "field": "y",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [rows, 0], "nice": False},
    }
    marks: list[Specification] = [
        {
            "data": {"name": name},
            "mark": {
                "type": "rect",
                "invalid": "show",
                "cursor": "pointer",
                "stroke": "#ffffff",
                "strokeWidth": 1,
            },
            "encoding": {
                "x": x,
                "x2": {"field": "right"},
                "y": y,
                "y2": {"field": "bottom"},
                "color": colour,
                "tooltip": tooltip,
            },
        }
    ]
    if len(table) <= _FINE:
        marks.append(_labels(name, x, y, across, colour["scale"]["domain"][-1], tooltip))
    tables = {name: table}
    if len(titles):
        tables[f"{name}-titles"] = titles
        marks.append(
            {
                "data": {"name": f"{name}-titles"},
                "mark": {
                    "type": "text",
                    "align": "left",
                    "baseline": "bottom",
                    "dy": -2,
                    "fontSize": 9,
                    "color": INK,
                    "limit": {"expr": f"datum.room * width / {across}"},
                },
                "encoding": {"x": x, "y": y, "text": {"field": "group"}},
            }
        )
    specification: Specification = {
        "width": "container",
        "height": int(min(max(rows * 17 * min(_TILES_ACROSS / across, 2), 90), 900)) + 50,
        "layer": marks,
        "config": {"view": {"stroke": None}, "rect": {"stroke": FAINT}, **_UNKNOWN},
    }
    return Chart(specification, tables, label)


def _labels(
    name: str,
    x: Specification,
    y: Specification,
    across: float,
    reach: float,
    tooltip: list[Specification],
) -> Specification:
    """As much of each region's name as its tile has room for; none where that would be a letter or two."""
    return {
        "data": {"name": name},
        "transform": [
            {"calculate": "datum.x + 0.5", "as": "middle"},
            {"calculate": "datum.y + 0.5", "as": "centre"},
        ],
        "mark": {
            "type": "text",
            "cursor": "pointer",
            "fontSize": 8,
            "limit": {"expr": f"width / {across} - 2"},
            "opacity": {"expr": f"width / {across} < {_LEAST_TILE} ? 0 : 1"},
        },
        "encoding": {
            "x": x | {"field": "middle"},
            "y": y | {"field": "centre"},
            "text": {"field": "name"},
            "color": {
                "condition": {"test": f"abs(datum.departure) > {0.75 * reach}", "value": "#ffffff"},
                "value": INK,
            },
            "tooltip": tooltip,
        },
    }


def _placed(regions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Tiles on shelves, group after group, each a block as nearly square as its number allows."""
    ordered = regions.assign(group=regions["group"].fillna("")).sort_values(["group", "name", "region"])
    grouped = ordered["group"].nunique() > 1
    left, top, tallest = 0.0, 1.0 if grouped else 0.0, 0.0
    across, down, titles = [], [], []
    for group, members in ordered.groupby("group", sort=True):
        count = len(members)
        wide = min(math.ceil(math.sqrt(count * 1.4)), _TILES_ACROSS) if grouped else _TILES_ACROSS
        room = max(wide, 3) if grouped else wide
        if left and left + room > _TILES_ACROSS:
            left, top, tallest = 0.0, top + tallest + 1.6, 0.0
        across += [left + at % wide for at in range(count)]
        down += [top + at // wide for at in range(count)]
        titles.append({"x": left, "y": top, "room": room + 0.4, "group": group or "without a larger unit"})
        left, tallest = left + room + 0.6, max(tallest, math.ceil(count / wide))
    table = ordered[_COLUMNS].assign(
        x=across, y=down, right=[x + 1 for x in across], bottom=[y + 1 for y in down]
    )
    return table, pd.DataFrame(titles if grouped else []), top + tallest
