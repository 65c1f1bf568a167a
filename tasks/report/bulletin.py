"""The bulletin of a forecast: one self-contained page for those who decide, from tables that others made.

It puts figures side by side and draws them; whatever takes more than a difference or a rank is in the tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.contracts.columns import ALL, CONSTANT
from data.contracts.season_table import Floats
from data.contracts.vocabulary import MAIN
from data.contracts.wording import ABSENT, number, signed_percent, span, whole_percent
from tasks.assemble.coming import coming_seasons
from tasks.report import frame
from tasks.report.charts.boundaries import Boundaries, read_boundaries
from tasks.report.charts.chart import Chart
from tasks.report.charts.maps import departure_map
from tasks.report.charts.season import driver_bars, season_line, track_record
from tasks.report.region_table import region_table

_VERTICES, _CELLS = 60_000, 1 << 13
"""Of all boundaries on the page: half a megabyte, and a third of a pixel."""
_MANY_REGIONS, _TERMS, _TERMS_OF_MANY = 1000, 12, 8


@dataclass(frozen=True, eq=False)
class Bulletin:
    """What a bulletin shows. Tables have the columns of the published ones that they are named after.

    `forecasts`, `aggregates` and `drivers` are a forecast's own; `yields` every known yield (region, year,
    crop, yield), `units` those of larger units (level, name, year, crop, yield); `regions` names and larger
    units (region, name, group; null where unknown) with their GeoJSON `geometries`. Of all regions together
    `issued` holds the forecasts of these seasons by day of issue (day, crop, year, predicted, lower_80,
    upper_80), this one last, and `record` what was said of past seasons at this lead (crop, year, predicted,
    lower_80, upper_80, actual, kind: issued or hindcast). `previous` is what the forecast before this one
    said (level, name, crop, year, predicted). `titles` are features as people call them, by their names.
    """

    number: int
    issued_on: str
    forecast_id: str
    run_id: str
    forecasts: pd.DataFrame
    aggregates: pd.DataFrame
    drivers: pd.DataFrame
    yields: pd.DataFrame
    units: pd.DataFrame
    regions: pd.DataFrame
    geometries: Mapping[str, Mapping[str, Any] | None]
    issued: pd.DataFrame
    previous: pd.DataFrame
    record: pd.DataFrame
    titles: Mapping[str, str]
    gate: Mapping[str, Any]
    missing: tuple[str, ...] = ()


def render_bulletin(data: Bulletin) -> str:
    """The page as HTML."""
    coming = coming_rows(data.forecasts, data.yields)
    boundaries = read_boundaries(data.geometries, _VERTICES, _CELLS)
    charts: dict[str, Chart] = {}
    crops = []
    for at, (crop, rows) in enumerate(coming.groupby("crop", sort=True), start=1):
        table = region_table(rows, data.regions, data.yields[data.yields["crop"] == crop])
        charts |= _charts(data, str(crop), f"{at}", rows, table, boundaries)
        crops.append(_crop(data, str(crop), f"{at}", rows, table))
    names = data.regions.dropna(subset=["name"]).set_index("region")["name"]
    first = crops[0]["regions"][0]["region"] if crops and crops[0]["regions"] else None
    past = len(data.forecasts) - len(coming)
    return frame.render(
        "bulletin.html",
        charts,
        {"region": first, "names": names.to_dict()},
        data=data,
        crops=crops,
        issued_on=_written(data.issued_on),
        weather_until=_span(coming["weather_until"]),
        unbounded=[] if boundaries is None else _without_boundary(coming, boundaries),
        gaps=past,
        early=bool((coming["lead_days"] > 0).any()),
    )


def coming_rows(forecasts: pd.DataFrame, yields: pd.DataFrame) -> pd.DataFrame:
    """Rows of each crop's season to come; `yields` are known ones: region, year, crop."""
    coming = coming_seasons(_regions_by_season(forecasts), _regions_by_season(yields))
    return forecasts[forecasts["crop"].map(coming) == forecasts["year"]]


def _regions_by_season(frame: pd.DataFrame) -> dict[tuple[str, int], int]:
    rows = frame[["crop", "year", "region"]].drop_duplicates()
    return Counter(zip(rows["crop"], rows["year"], strict=True))


def _charts(
    data: Bulletin,
    crop: str,
    slug: str,
    rows: pd.DataFrame,
    table: pd.DataFrame,
    boundaries: Boundaries | None,
) -> dict[str, Chart]:
    unit, year = _unit(rows), int(rows["year"].iloc[0])
    regions = table.rename(
        columns={"lower_80": "lower", "upper_80": "upper", "chance_below_mean_5": "chance"}
    )
    found = {f"map-{slug}": departure_map(f"map-{slug}", regions, boundaries, crop, unit)}
    whole = _whole(data.aggregates, crop, year)
    issued = data.issued[(data.issued["crop"] == crop) & (data.issued["year"] == year)]
    if len(issued):
        line = issued.rename(columns={"lower_80": "lower", "upper_80": "upper"})
        mean_5, last = (None, None) if whole is None else (_known(whole["mean_5"]), _known(whole["last"]))
        name = f"line-{slug}"
        line = line[["day", "predicted", "lower", "upper"]]
        found[name] = season_line(name, line, mean_5, last, crop, unit)
    drivers = data.drivers[(data.drivers["crop"] == crop) & (data.drivers["year"] == year)]
    drivers = drivers[drivers["term"] != CONSTANT]
    if len(drivers):
        found |= _driver_charts(data, drivers, crop, slug, unit)
    record = data.record[data.record["crop"] == crop]
    if len(record):
        said = record.rename(columns={"predicted": "said", "lower_80": "lower", "upper_80": "upper"})
        said = said[["year", "said", "lower", "upper", "actual", "kind"]]
        found[f"record-{slug}"] = track_record(f"record-{slug}", said, crop, unit)
    return found


def _driver_charts(
    data: Bulletin, drivers: pd.DataFrame, crop: str, slug: str, unit: str | None
) -> dict[str, Chart]:
    """Bars for all regions together (plain means over regions) and for the region that is chosen."""
    sizes = drivers.groupby("term")["contribution"].agg(lambda parts: parts.abs().mean())
    most = _TERMS if drivers["region"].nunique() <= _MANY_REGIONS else _TERMS_OF_MANY
    terms = sizes.sort_values(ascending=False).index[:most]
    shown = drivers[drivers["term"].isin(terms)]
    titles = {term: data.titles.get(term, term) for term in terms}
    mean = shown.groupby("term", sort=False)[["contribution", "value", "usual"]].mean().reset_index()
    own = shown[["region", "term", "contribution", "value", "usual"]]
    own = own.sort_values(["region", "term"], ignore_index=True)
    every, each = f"drivers-{slug}", f"region-drivers-{slug}"
    return {
        every: driver_bars(every, mean.assign(title=mean["term"].map(titles)), crop, unit),
        each: driver_bars(
            each, own.assign(title=own["term"].map(titles)), crop, unit, picked=True, rows=len(terms)
        ),
    }


def _crop(data: Bulletin, crop: str, slug: str, rows: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
    year = int(rows["year"].iloc[0])
    whole = _whole(data.aggregates, crop, year)
    units = data.aggregates[(data.aggregates["crop"] == crop) & (data.aggregates["year"] == year)]
    earlier = data.previous[(data.previous["crop"] == crop) & (data.previous["year"] == year)]
    before = {
        (str(level), _text(name)): float(said)
        for level, name, said in zip(earlier["level"], earlier["name"], earlier["predicted"], strict=True)
    }
    past = data.units[data.units["crop"] == crop]
    yields = {
        (str(level), _text(name)): rows["yield"].to_numpy()
        for (level, name), rows in past.groupby(["level", "name"], dropna=False)
    }

    def figures(row: Any) -> dict[str, Any]:
        unit = str(row["level"]), _text(row["name"])
        return _figures(row, before.get(unit), yields.get(unit))

    whole_figures = None if whole is None else figures(whole)
    levels = [figures(row) for _, row in units.iterrows() if row["level"] != ALL]
    shown = [*([whole_figures] if whole_figures else []), *levels]
    return {
        "name": crop,
        "slug": slug,
        "year": year,
        "unit": _unit(rows) or "",
        "basis": _basis(rows),
        "whole": whole_figures,
        "levels": levels,
        "has_previous": any(row["previous"] for row in shown),
        "has_production": any(row["production"] is not None for row in shown),
        "has_groups": bool(table["group"].notna().any()),
        "regions": [_region(row) for row in table.to_dict("records")],
    }


def _basis(rows: pd.DataFrame) -> str:
    """Of which season's weather the forecasts are made: up to which day, how long before its end."""
    latest = rows.sort_values("lead_days", kind="stable").iloc[0]
    name = "" if latest["season"] == MAIN else f" {latest['season']}"
    others = int((rows["as_of"] != latest["as_of"]).sum())
    day = f"{pd.Timestamp('2000-' + latest['as_of']):%-d %B}"
    lead = int(latest["lead_days"])
    until = f"the season{name}'s weather up to {day}" + (
        f", {lead:,} days before its end" if lead else ", its end"
    )
    return f"Made from {until}" + (f"; for {others:,} regions from less of it." if others else ".")


def _figures(row: Any, said: float | None, past: Floats | None) -> dict[str, Any]:
    """An aggregate's row with what it is compared to: the forecast before, and the yields of past years."""
    years = 0 if past is None or not np.isfinite(row["predicted"]) else len(past)
    return {
        "level": row["level"],
        "name": _text(row["name"]),
        "predicted": _known(row["predicted"]),
        "lower": _known(row["lower_80"]),
        "upper": _known(row["upper_80"]),
        "mean_5": _against(row["predicted"], row["mean_5"]),
        "last": _against(row["predicted"], row["last"]),
        "previous": _against(row["predicted"], said),
        "chance": _known(row["chance_below_mean_5"]),
        "ranked": years > 0,
        "rank": _rank(1 + int((past > row["predicted"]).sum()) if past is not None and years else 0, years),
        "production": _known(row["production"]),
        "share": _known(row["share"]),
    }


def _against(value: float, other: float | None) -> dict[str, float] | None:
    """A reference with the difference to it, absolute and as a share; None where either is unknown."""
    if other is None or not np.isfinite(other) or not np.isfinite(value):
        return None
    return {"value": other, "by": value - other, "share": value / other - 1 if other else np.nan}


def _region(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "region": row["region"],
        "name": row["name"],
        "group": _text(row["group"]) or "",
        "predicted": number(row["predicted"]),
        "interval": span(row["lower_80"], row["upper_80"]),
        "departure": signed_percent(row["departure"]),
        "mean_5": number(row["mean_5"]),
        "last": number(row["last"]),
        "chance": whole_percent(row["chance_below_mean_5"]),
        "rank": _rank(row["rank"], row["years"]),
        "history": row["history"],
    }


def _rank(rank: int, years: int) -> str:
    """A place among the past years and this one, 1 the largest yield."""
    return f"{rank} of {years + 1}" if years else ABSENT


def _whole(aggregates: pd.DataFrame, crop: str, year: int) -> Any:
    """The row of all regions together; None where nothing was aggregated."""
    found = aggregates[
        (aggregates["level"] == ALL) & (aggregates["crop"] == crop) & (aggregates["year"] == year)
    ]
    return found.iloc[0] if len(found) and np.isfinite(found.iloc[0]["predicted"]) else None


def _without_boundary(rows: pd.DataFrame, boundaries: Boundaries) -> list[str]:
    return sorted(set(rows["region"]) - set(boundaries.polygons))


def _span(days: pd.Series) -> str:
    known = days.dropna()
    if not len(known):
        return "an unknown day"
    first, last = _written(known.min()), _written(known.max())
    return first if first == last else f"{first} to {last}, by region and season"


def _written(day: Any) -> str:
    return f"{pd.Timestamp(day):%-d %B %Y}"


def _unit(rows: pd.DataFrame) -> str | None:
    unit = rows["unit"].iloc[0]
    return None if pd.isna(unit) else str(unit)


def _known(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _text(value: Any) -> str | None:
    return None if value is None or pd.isna(value) else str(value)
