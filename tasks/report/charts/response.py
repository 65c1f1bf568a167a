"""What the model says of a feature: response curves, and the plane over two features."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.contracts.season_table import Floats
from tasks.report.charts.chart import Chart, Specification, layered, quantitative, tooltips, with_unit
from tasks.report.charts.theme import BLUE, INK, NUMBER

_STEPS, _CELLS, _POINTS = 41, 22, 300


def curve(title: str, x_N: Floats, linear: float, square: float) -> pd.DataFrame:
    """How a yield answers to one feature within the data's range: feature, x, change.

    Change is against the feature's mean: linear · (x - mean) + square · (x² - mean²); `common` says whether
    x lies among the middle nine tenths of the data.
    """
    low, early, late, high = np.quantile(x_N, (0.0, 0.05, 0.95, 1.0))
    mean = float(x_N.mean())
    x = np.linspace(low, high, _STEPS)
    change = linear * (x - mean) + square * (x**2 - mean**2)
    return pd.DataFrame({"feature": title, "x": x, "change": change, "common": (x >= early) & (x <= late)})


def response_curves(name: str, curves: pd.DataFrame, crop: str, unit: str | None) -> Chart:
    """Small curves, one for each feature, on one scale of yield: pale where data are rare."""
    order = list(dict.fromkeys(curves["feature"]))
    y = quantitative("change", with_unit("change", unit))
    tooltip = tooltips(
        ("feature", "feature"), ("x", "value", NUMBER), ("change", with_unit("change", unit), NUMBER)
    )
    shared = {
        "x": quantitative("x", None, scale={"nice": False}, axis={"tickCount": 4}),
        "y": y,
        "tooltip": tooltip,
    }
    specification: Specification = {
        "data": {"name": name},
        "autosize": "pad",
        "columns": 6,
        "facet": {"field": "feature", "type": "nominal", "sort": order, "title": None},
        "resolve": {"scale": {"x": "independent"}},
        "spec": {
            "width": 150,
            "height": 110,
            "layer": [
                {"mark": {"type": "line", "color": BLUE, "opacity": 0.35}, "encoding": shared},
                {
                    "transform": [{"filter": "datum.common"}],
                    "mark": {"type": "line", "color": BLUE, "strokeWidth": 3},
                    "encoding": shared,
                },
            ],
        },
    }
    return Chart(specification, {name: curves}, f"Response of {crop} to each feature within the data's range")


def heat_map(
    name: str,
    points: pd.DataFrame,
    axes: tuple[str, str],
    coefficients: tuple[tuple[float, float], tuple[float, float]],
    level: float,
    crop: str,
    unit: str | None,
) -> Chart:
    """What the model says over its two most telling features, others at their means, with harvests as points.

    `points`: region, year, x, y, actual. Coefficients are (linear, square) of each feature, in raw units.
    """
    (x_linear, x_square), (y_linear, y_square) = coefficients
    across = np.linspace(points["x"].min(), points["x"].max(), _CELLS + 1)
    up = np.linspace(points["y"].min(), points["y"].max(), _CELLS + 1)
    x, y = (grid.ravel() for grid in np.meshgrid((across[1:] + across[:-1]) / 2, (up[1:] + up[:-1]) / 2))
    left, bottom = (grid.ravel() for grid in np.meshgrid(across[:-1], up[:-1]))
    right, top = (grid.ravel() for grid in np.meshgrid(across[1:], up[1:]))
    says = level + x_linear * x + x_square * x**2 + y_linear * y + y_square * y**2
    grid = pd.DataFrame({"left": left, "right": right, "bottom": bottom, "top": top, "says": says})
    taken = np.unique(np.linspace(0, len(points) - 1, min(len(points), _POINTS)).round().astype(np.int64))
    plain = {"nice": False}
    encoding = {
        "x": quantitative("left", axes[0], scale=plain),
        "y": quantitative("bottom", axes[1], scale=plain),
    }
    what = with_unit(crop, unit)
    cells: Specification = {
        "data": {"name": name},
        "mark": {"type": "rect", "stroke": None},
        "encoding": encoding
        | {
            "x2": {"field": "right"},
            "y2": {"field": "top"},
            "color": {
                "field": "says",
                "type": "quantitative",
                "legend": {"title": what, "gradientLength": 140},
                "scale": {"zero": False},
            },
            "tooltip": tooltips(("says", f"{what}, model", NUMBER)),
        },
    }
    dots: Specification = {
        "data": {"name": f"{name}-points"},
        "mark": {"type": "point", "color": INK, "size": 12, "opacity": 0.55},
        "encoding": {
            "x": encoding["x"] | {"field": "x"},
            "y": encoding["y"] | {"field": "y"},
            "tooltip": tooltips(
                ("region", "region"),
                ("year", "season"),
                ("x", axes[0], NUMBER),
                ("y", axes[1], NUMBER),
                ("actual", f"{what}, actual", NUMBER),
            ),
        },
    }
    tables = {name: grid, f"{name}-points": points.iloc[taken]}
    return Chart(layered(cells, dots), tables, f"What the model says of {crop} over two features")
