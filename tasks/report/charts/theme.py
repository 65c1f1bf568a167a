"""One look for every chart: colours that every kind of colour vision tells apart, and legible on paper."""

from __future__ import annotations

from tasks.report.charts.chart import Specification

# Okabe and Ito's palette
BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
)
INK, FAINT, PALE, NONE = "#222222", "#767676", "#e6e6e6", "#d9d9d9"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)
BELOW_ABOVE = ("#8c510a", "#d8b365", "#f6e8c3", "#f5f5f5", "#c7eae5", "#5ab4ac", "#01665e")
"""From far below to far above the usual (ColorBrewer BrBG): brown is dry, green is lush."""
DENSITY = ("#deebf7", "#9ecae1", "#4292c6", "#084594")
NUMBER = ",.4~r"
"""Four significant digits with thousands apart, as in the tables."""

_FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

THEME: Specification = {
    "aria": False,  # the element around a chart says what it shows
    "font": _FONT,
    "background": None,
    "padding": {"left": 2, "top": 4, "right": 8, "bottom": 2},
    "autosize": {"type": "fit-x", "contains": "padding"},
    "view": {"stroke": None},
    "mark": {"aria": False},
    "axis": {
        "aria": False,
        "domainColor": INK,
        "gridColor": PALE,
        "tickColor": INK,
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 150,
        "titleLimit": 320,
        "tickCount": 6,
    },
    "axisX": {"grid": False},
    "legend": {
        "aria": False,
        "orient": "top",
        "direction": "horizontal",
        "title": None,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 220,
        "titleLimit": 400,
        "labelColor": INK,
        "titleColor": INK,
        "columns": 3,
    },
    "range": {
        "category": list(CYCLE),
        "diverging": list(BELOW_ABOVE),
        "ramp": list(DENSITY),
        "heatmap": list(DENSITY),
    },
    "bar": {"color": BLUE},
    "line": {"strokeWidth": 2},
    "point": {"filled": True, "size": 36},
    "rule": {"color": FAINT},
    "text": {"color": INK, "fontSize": 11},
    "geoshape": {"stroke": "#ffffff", "strokeWidth": 0.4},
    "header": {"labelFontSize": 11, "titleFontSize": 11, "labelLimit": 160, "title": None},
}
