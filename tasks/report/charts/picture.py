"""Static pictures of charts, for places that run no scripts: artifacts of Prefect, the README."""

from __future__ import annotations

from typing import Any

from tasks.report.charts.chart import Chart, Specification, records
from tasks.report.charts.theme import THEME

_WIDTH = 520
_VERSION = "6.4"  # the newest that vl-convert holds; the pages' runtime draws the same specifications


def draw_svg(chart: Chart, width: int = _WIDTH) -> str:
    """The chart as SVG on white, drawn by vl-convert (its first picture takes most of a second)."""
    import vl_convert  # its JavaScript engine, for whoever wants a picture

    found: str = vl_convert.vegalite_to_svg(
        _whole(chart, width),
        vl_version=_VERSION,
        config=THEME | {"background": "white"},
        allowed_base_urls=[],
    )
    return found


def draw_png(chart: Chart, width: int = _WIDTH, scale: float = 2.0) -> bytes:
    """The chart as PNG on white."""
    import vl_convert

    found: bytes = vl_convert.vegalite_to_png(
        _whole(chart, width),
        vl_version=_VERSION,
        config=THEME | {"background": "white"},
        scale=scale,
        allowed_base_urls=[],
    )
    return found


def _whole(chart: Chart, width: int) -> Specification:
    """The specification with its data inside and a fixed width."""
    datasets: dict[str, Any] = {name: records(table) for name, table in chart.tables.items()}
    whole = chart.specification | {"datasets": datasets | dict(chart.shapes)}
    return whole | {"width": width} if whole.get("width") == "container" else whole
