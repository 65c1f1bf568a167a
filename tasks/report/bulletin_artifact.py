"""A forecast's bulletin in short: its headline, and an artifact with maps and a table of larger units."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from data.contracts.columns import ALL
from data.contracts.wording import (
    ABSENT,
    NOTHING_AHEAD,
    as_text,
    markdown_table,
    number,
    signed_percent,
    span,
    whole_percent,
)
from tasks.report.artifacts import MOST_PICTURES, Artifact
from tasks.report.bulletin import Bulletin, coming_rows
from tasks.report.charts.boundaries import read_boundaries
from tasks.report.charts.maps import departure_map
from tasks.report.charts.picture import draw_png
from tasks.report.region_table import region_table

_MOST_UNITS = 60
_VERTICES, _CELLS = 20_000, 1 << 11  # of a picture 520 pixels wide
_FIGURES = ("predicted", "lower_80", "upper_80", "mean_5", "last", "chance_below_mean_5")


def headline(aggregates: pd.DataFrame) -> list[dict[str, Any]]:
    """What is forecast of each crop, all regions together; null where too little is known.

    `aggregates` is laid out as `aggregates.parquet` and holds the season to come of each crop; the rows have
    the same columns.
    """
    latest = aggregates[aggregates["level"] == ALL].drop_duplicates("crop", keep="last").sort_values("crop")
    return [
        {key: row[key] for key in ("crop", "season", "as_of")}
        | {"year": int(row["year"]), "unit": row["unit"] if isinstance(row["unit"], str) else None}
        | {key: float(row[key]) if np.isfinite(row[key]) else None for key in _FIGURES}
        for row in latest.to_dict("records")
    ]


def headline_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The headline in words: `corn 2024: 11,300 kg/ha (+2.1 % against the five-year mean)`."""
    return "; ".join(
        f"{row['crop']} {row['year']}: {number(row['predicted'])} {row['unit'] or ''}".rstrip()
        + (f" ({_against(row, 'mean_5')} against the five-year mean)" if row["mean_5"] else "")
        for row in rows
        if row["predicted"] is not None
    )


def of_bulletin(data: Bulletin, page: str) -> Artifact:
    """The bulletin for Prefect's pages: headline, maps as pictures, larger units; `page` links the whole."""
    parts = [f"{page}\n"]
    coming = coming_rows(data.forecasts, data.yields)
    units = data.aggregates.merge(coming[["crop", "year"]].drop_duplicates())
    if len(units):
        parts = [f"{as_text(headline_text(headline(units)))}\n", *parts, _units(units)]
    if not len(coming):
        parts.append(f"{NOTHING_AHEAD}.\n")
    boundaries = read_boundaries(data.geometries, _VERTICES, _CELLS)
    crops = list(coming.groupby("crop", sort=True))
    for crop, rows in crops[:MOST_PICTURES]:
        unit = rows["unit"].iloc[0]
        regions = region_table(rows, data.regions, data.yields[data.yields["crop"] == crop]).rename(
            columns={"lower_80": "lower", "upper_80": "upper", "chance_below_mean_5": "chance"}
        )
        chart = departure_map("map", regions, boundaries, str(crop), unit if isinstance(unit, str) else None)
        picture = base64.b64encode(draw_png(chart, scale=1.5)).decode()
        year = int(rows["year"].iloc[0])
        parts.append(
            f"### {as_text(str(crop))} {year}\n\n![{as_text(chart.label)}](data:image/png;base64,{picture})\n"
        )
    if len(crops) > MOST_PICTURES:
        parts.append(f"{len(crops) - MOST_PICTURES} more maps are in the bulletin.\n")
    return Artifact("bulletin", "The bulletin: map, larger units, and where the page lies", "\n".join(parts))


def _units(rows: pd.DataFrame) -> str:
    """Every larger unit, all regions together first."""
    rows = rows.assign(first=rows["level"] != ALL).sort_values(["first", "crop"], kind="stable")
    # the old UI leaves a table some 650 pixels; what doesn't fit is in the bulletin
    heads = ("where", "crop", "forecast", "80 % range", "from mean", "below mean")
    shown = [
        (
            ALL if row["level"] == ALL else as_text(_name(row)),
            as_text(f"{row['crop']} {row['year']}"),
            as_text(f"{number(row['predicted'])} {row['unit'] if isinstance(row['unit'], str) else ''}"),
            span(row["lower_80"], row["upper_80"]), _against(row, "mean_5"),
            whole_percent(row["chance_below_mean_5"]),
        )
        for row in rows.head(_MOST_UNITS).to_dict("records")
    ]  # fmt: skip
    more = f"\n{len(rows) - _MOST_UNITS} more are in the bulletin.\n" if len(rows) > _MOST_UNITS else ""
    said = "\nThe mean is that of the last five known years; below mean: the chance of a yield below it.\n"
    return markdown_table(heads, shown, heads[2:]) + said + more


def _name(row: Mapping[Any, Any]) -> str:
    return row["name"] if isinstance(row["name"], str) else f"no {row['level']}"


def _against(row: Mapping[Any, Any], other: str) -> str:
    """The forecast's difference to a reference, as a share of it."""
    value, reference = row["predicted"], row[other]
    if value is None or reference is None or not reference or not np.isfinite(value / reference):
        return ABSENT
    return signed_percent(value / reference - 1)
