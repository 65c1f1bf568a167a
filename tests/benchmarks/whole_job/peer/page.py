"""The peer's report: one self-contained page with the charts and tables that cropyield's report has."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.benchmarks.whole_job.peer.model import LEVELS
from tests.benchmarks.whole_job.peer.scores import NAIVE

_VEGA = Path(__file__).resolve().parents[4] / "tasks" / "report" / "templates" / "vega.js"
_MANY, _BINS, _CELLS, _POINTS, _MISSES = 1000, 40, 22, 300, 8
_SCRIPT = """
const page = JSON.parse(document.getElementById("page-data").textContent);
const views = {};
const rows = columns => Object.values(columns)[0].map((_, at) =>
  Object.fromEntries(Object.keys(columns).map(name => [name, columns[name][at]])));
const tableOf = name => rows(page.tables[name] ?? {year: page.years, ...page.histories[name][page.region]});
for (const place of document.querySelectorAll("[data-chart]")) {
  const name = place.dataset.chart, datasets = {[name]: tableOf(name)};
  if (page.tables[name + "-points"]) datasets[name + "-points"] = tableOf(name + "-points");
  const {spec} = vegaRuntime.compile({...page.charts[name], datasets});
  views[name] = new vegaRuntime.View(vegaRuntime.parse(spec, null, {ast: true}),
    {expr: vegaRuntime.expressionInterpreter, renderer: "svg", container: place});
  views[name].run();
}
for (const row of document.querySelectorAll("tr[data-region]")) row.addEventListener("click", () => {
  page.region = row.dataset.region;
  for (const name of Object.keys(page.histories)) views[name].data(name, tableOf(name)).run();
});
"""
_STYLE = "body{font:15px system-ui;max-width:70em;margin:auto}td,th{padding:2px 8px;text-align:right}"


def write_page(
    place: Path,
    table: pl.DataFrame,
    entries: pl.DataFrame,
    scores: pl.DataFrame,
    told: Mapping[str, Any],
    published: pl.DataFrame,
    features: list[str],
    units: Mapping[str, str | None],
) -> None:
    """Write the report of a run's test seasons."""
    years = table["year"].unique().sort().to_list()
    page: dict[str, Any] = {"charts": {}, "tables": {}, "histories": {}, "years": years}
    page["region"] = table["region"][0]
    body = [_headline(told["test"], units)]
    for crop in told["test"]:
        rows = entries.filter(crop=crop)
        tested = rows.filter(split="test")
        body.append(f"<h2>{html.escape(crop)}, {html.escape(units[crop] or '')}</h2>")
        charts = {
            f"cloud-{crop}": _cloud(f"cloud-{crop}", tested, page),
            f"seasons-{crop}": _seasons(f"seasons-{crop}", scores, crop, told["test"][crop], page),
            f"plane-{crop}": _plane(f"plane-{crop}", table, published, crop, features, page),
            f"history-{crop}": _history(f"history-{crop}", rows, years, page),
        }
        page["charts"] |= charts
        body += [f'<div data-chart="{html.escape(name)}"></div>' for name in charts]
        body += _tables(tested, scores, published, table, crop, features)
    data = json.dumps(page, separators=(",", ":")).replace("<", "\\u003c")
    place.write_text(
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Yields</title><style>{_STYLE}</style>'
        f"<h1>Yields of {html.escape(', '.join(told['test']))}</h1>{''.join(body)}"
        f'<script type="application/json" id="page-data">{data}</script>'
        f"<script>{_VEGA.read_text(encoding='utf-8')}</script><script>{_SCRIPT}</script></html>",
        encoding="utf-8",
    )


def _columns(table: pl.DataFrame, digits: int = 6) -> dict[str, list[Any]]:
    floats = pl.col(pl.Float64).fill_nan(None).round_sig_figs(digits)
    return dict(table.with_columns(floats).to_dict(as_series=False))


def _rows(headings: Iterable[str], rows: Iterable[Iterable[Any]], picked: bool = False) -> str:
    lines = []
    for row in rows:
        cells = [html.escape(f"{cell:.4g}" if isinstance(cell, float) else str(cell)) for cell in row]
        opened = f'<tr data-region="{cells[0]}">' if picked else "<tr>"
        lines.append(opened + "".join(f"<td>{cell}" for cell in cells))
    return f"<table><tr>{''.join(f'<th>{each}' for each in headings)}{''.join(lines)}</table>"


def _headline(test: Mapping[str, Any], units: Mapping[str, str | None]) -> str:
    names = [
        "rows", "rmse", "mae", "bias", "bias_interval_95", "r2", "skill", "skill_interval_95", "mse",
        *(f"mse_{name}" for name in NAIVE),
        *(
            f"{prefix}{figure}_{level}"
            for level in LEVELS
            for prefix in ("", "trend_")
            for figure in ("coverage", "width", "interval_score")
        ),
    ]  # fmt: skip
    shown = ((crop, units[crop], *(found[name] for name in names)) for crop, found in test.items())
    return _rows(("crop", "unit", *names), shown)


def _axis(field: str, title: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, "scale": {"zero": False} | more}


def _cloud(name: str, tested: pl.DataFrame, page: dict[str, Any]) -> dict[str, Any]:
    """Predicted against actual, a density where there are many."""
    ends = _ends(pl.concat([tested["actual"], tested["predicted"]]))
    x, y = _axis("actual", "actual", domain=ends), _axis("predicted", "predicted", domain=ends)
    if len(tested) <= _MANY:
        page["tables"][name] = _columns(tested.select("region", "year", "actual", "predicted"))
        marks = {"mark": "point", "encoding": {"x": x, "y": y}}
    else:
        edges = np.linspace(*ends, _BINS + 1)
        counts, _, _ = np.histogram2d(tested["actual"], tested["predicted"], bins=(edges, edges))
        across, up = np.nonzero(counts)
        cells = {"x": edges[across], "x2": edges[across + 1], "y": edges[up], "y2": edges[up + 1]}
        page["tables"][name] = _columns(pl.DataFrame(cells | {"rows": counts[across, up]}))
        colour = {"field": "rows", "type": "quantitative", "scale": {"type": "log"}}
        marks = _rectangles("actual", "predicted", colour)
    line = {
        "data": {"values": [{"at": end} for end in ends]},
        "mark": "line",
        "encoding": {"x": _axis("at", "actual"), "y": _axis("at", "predicted")},
    }
    return {"width": 400, "height": 300, "layer": [marks | {"data": {"name": name}}, line]}


def _ends(values: pl.Series) -> tuple[float, float]:
    return float(values.to_numpy().min()), float(values.to_numpy().max())


def _rectangles(x: str, y: str, colour: dict[str, Any]) -> dict[str, Any]:
    places = {"x": _axis("x", x), "x2": {"field": "x2"}, "y": _axis("y", y), "y2": {"field": "y2"}}
    return {"mark": "rect", "encoding": places | {"color": colour}}


def _seasons(
    name: str, scores: pl.DataFrame, crop: str, figures: Mapping[str, Any], page: dict[str, Any]
) -> dict[str, Any]:
    """Error of each season beside the best naive forecast's."""
    best = min(NAIVE, key=lambda each: float(figures[f"mse_{each}"]))
    rows = scores.filter(pl.col("crop") == crop, pl.col("year").is_not_null()).sort("year")
    long = rows.select("year", "rmse", pl.col(f"mse_{best}").sqrt().alias(best)).unpivot(index="year")
    page["tables"][name] = _columns(long)
    encoding = {
        "x": _axis("year", "season"),
        "y": _axis("value", "RMSE", zero=True),
        "color": {"field": "variable"},
    }
    return {"width": 600, "height": 260, "data": {"name": name}, "mark": {"type": "line", "point": True},
            "encoding": encoding}  # fmt: skip


def _weights(published: pl.DataFrame, crop: str, features: list[str]) -> dict[str, float]:
    rows = published.filter(
        pl.col("crop") == crop, pl.col("region").is_null(), pl.col("term").is_in(features)
    )
    return dict(rows.select("term", "coefficient").iter_rows())


def _sizes(table: pl.DataFrame, weights: Mapping[str, float], crop: str) -> dict[str, float]:
    """What a standard deviation of each feature's departure does, the most telling first."""
    rows = table.filter(pl.col(crop).is_not_null())
    apart = rows.select((pl.col(name) - pl.col(name).mean().over("region")).std(ddof=0) for name in weights)
    sizes = {name: apart[name].item() * weight for name, weight in weights.items()}
    return dict(sorted(sizes.items(), key=lambda each: -abs(each[1])))


def _plane(
    name: str,
    table: pl.DataFrame,
    published: pl.DataFrame,
    crop: str,
    features: list[str],
    page: dict[str, Any],
) -> dict[str, Any]:
    """What the model says over its two most telling features, with some harvests."""
    weights = _weights(published, crop, features)
    first, second = list(_sizes(table, weights, crop))[:2]
    rows = table.filter(pl.col(crop).is_not_null()).select("region", "year", x=first, y=second, actual=crop)
    taken = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _POINTS)).astype(int))
    x, y = (np.linspace(*_ends(rows[at]), _CELLS + 1) for at in "xy")
    left, low = (grid.ravel() for grid in np.meshgrid(x[:-1], y[:-1]))
    right, high = (grid.ravel() for grid in np.meshgrid(x[1:], y[1:]))
    x_mean, y_mean = rows["x"].to_numpy().mean(), rows["y"].to_numpy().mean()
    says = weights[first] * ((left + right) / 2 - x_mean)
    says += weights[second] * ((low + high) / 2 - y_mean)
    page["tables"][name] = _columns(
        pl.DataFrame({"x": left, "x2": right, "y": low, "y2": high, "says": says})
    )
    page["tables"][f"{name}-points"] = _columns(rows[taken])
    cells = _rectangles(first, second, {"field": "says", "type": "quantitative"}) | {"data": {"name": name}}
    dots = {"data": {"name": f"{name}-points"}, "mark": {"type": "point", "size": 12, "color": "#222"},
            "encoding": {"x": _axis("x", first), "y": _axis("y", second)}}  # fmt: skip
    return {"width": 400, "height": 300, "layer": [cells, dots]}


def _history(name: str, rows: pl.DataFrame, years: list[int], page: dict[str, Any]) -> dict[str, Any]:
    """Yields of the region that is clicked, with what was predicted for the test seasons."""
    tested = pl.col("split") == "test"
    said = (pl.when(tested).then(pl.col(of)).alias(to) for of, to in
            (("predicted", "predicted"), ("lower_80", "lower"), ("upper_80", "upper")))  # fmt: skip
    every = (
        rows.select("region")
        .unique()
        .join(pl.DataFrame({"year": years}, schema={"year": rows.schema["year"]}), how="cross")
    )
    shown = every.join(rows.select("region", "year", "actual", *said), on=["region", "year"], how="left")
    figures = pl.col("actual", "predicted", "lower", "upper").round_sig_figs(3)
    lists = (
        shown.sort("region", "year")
        .with_columns(figures)
        .group_by("region", maintain_order=True)
        .agg("actual", "predicted", "lower", "upper")
    )
    page["histories"][name] = {row.pop("region"): row for row in lists.iter_rows(named=True)}
    layers = [
        {
            "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.3},
            "encoding": {"y": _axis("lower", ""), "y2": {"field": "upper"}},
        },
        {"mark": {"type": "line", "point": True}, "encoding": {"y": _axis("actual", "")}},
        {"mark": {"type": "point", "shape": "diamond"}, "encoding": {"y": _axis("predicted", "yield")}},
    ]  # fmt: skip
    return {"width": 600, "height": 220, "data": {"name": name}, "encoding": {"x": _axis("year", "season")},
            "layer": layers}  # fmt: skip


def _tables(
    tested: pl.DataFrame,
    scores: pl.DataFrame,
    published: pl.DataFrame,
    table: pl.DataFrame,
    crop: str,
    features: list[str],
) -> list[str]:
    weights = _weights(published, crop, features)
    sizes = _sizes(table, weights, crop)
    regional = published.filter(
        pl.col("crop") == crop, pl.col("region").is_not_null(), ~pl.col("term").is_in(features)
    )
    spread = regional.group_by("term", maintain_order=True).agg(
        pl.col("coefficient").min().alias("least"), pl.col("coefficient").median().alias("middle"),
        pl.col("coefficient").max().alias("most"),
    )  # fmt: skip
    regions = scores.filter(pl.col("crop") == crop, pl.col("region").is_not_null(), split="test")
    regions = regions.sort("mse", descending=True).select("region", "rows", "rmse", "mae", "bias", "skill")
    misses = tested.with_columns(error=pl.col("predicted") - pl.col("actual")).sort(
        pl.col("error").abs(), descending=True
    )
    shown = ("region", "year", "actual", "predicted", "lower_95", "upper_95", "error")
    return [
        _rows(
            ("feature", "coefficient", "size"), ((name, weights[name], size) for name, size in sizes.items())
        ),
        _rows(spread.columns, spread.iter_rows()),
        _rows(regions.columns, regions.iter_rows(), picked=True),
        _rows(shown, misses.head(_MISSES).select(shown).iter_rows()),
    ]
