"""The bulletin of a published forecast: picks its tables from what the forecast, its run and the log hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data.contracts.vocabulary import SplitName
from data.settings.schema import Settings
from tasks.report.boundaries import geometries_of
from tasks.report.bulletin import ALL, Bulletin
from tasks.report.terms import term_titles

_SAID = ["predicted", "lower_80", "upper_80"]
HINDCAST, ISSUED = "hindcast", "issued"


@dataclass(frozen=True)
class Issue:
    """A forecast's entry in the log: its number, when it was made (ISO), and the gate of the model's run."""

    number: int
    at: str
    forecast_id: str
    run_id: str
    gate: Mapping[str, Any]


def gather_bulletin(
    issue: Issue,
    settings: Settings,
    tables: Mapping[str, pd.DataFrame],
    yields: pd.DataFrame,
    regions: pd.DataFrame | None,
    hindcasts: pd.DataFrame | None = None,
    earlier: Sequence[tuple[str, pd.DataFrame]] = (),
    missing: Sequence[str] = (),
) -> Bulletin:
    """A bulletin's value from the published tables.

    `tables` are the forecast's own: predictions, drivers, aggregates. `yields` has region, year, crop, yield.
    `regions` has region, name, the label columns of `aggregate.levels` and geometry (GeoJSON text).
    `hindcasts` are the run's aggregates, whose test seasons the model didn't know; `earlier` the aggregates
    of forecasts issued before this one with their days, oldest first.
    """
    aggregates = tables["aggregates"]
    issued = [*earlier, (issue.at, aggregates)]
    none = pd.DataFrame(columns=["level", "name", "crop", "year", "predicted"])
    known = _regions(tables["predictions"]["region"], regions, _levels(aggregates))
    return Bulletin(
        number=issue.number,
        issued_on=issue.at[:10],
        forecast_id=issue.forecast_id,
        run_id=issue.run_id,
        forecasts=tables["predictions"],
        aggregates=aggregates,
        drivers=tables["drivers"],
        yields=yields,
        regions=known,
        geometries={} if regions is None else geometries_of(regions),
        issued=pd.concat([_whole(frame).assign(day=day[:10]) for day, frame in issued], ignore_index=True),
        previous=earlier[-1][1][list(none.columns)] if earlier else none,
        record=_record(aggregates, hindcasts),
        titles=term_titles(settings),
        gate=issue.gate,
        missing=tuple(missing),
    )


def _levels(aggregates: pd.DataFrame) -> list[str]:
    return [str(level) for level in pd.unique(aggregates["level"]) if level != ALL]


def _regions(names: pd.Series, regions: pd.DataFrame | None, levels: Sequence[str]) -> pd.DataFrame:
    """Every region with its name and its smallest larger unit."""
    found = pd.DataFrame({"region": sorted(set(names))})
    if regions is None:
        return found.assign(name=None, group=None)
    group = next((level for level in levels if level in regions), None)
    told = regions.assign(group=regions[group] if group else None)[["region", "name", "group"]]
    return found.merge(told, on="region", how="left")


def _whole(aggregates: pd.DataFrame) -> pd.DataFrame:
    rows = aggregates[(aggregates["level"] == ALL) & aggregates["predicted"].notna()]
    return rows[["crop", "year", "as_of", *_SAID]]


def _record(aggregates: pd.DataFrame, hindcasts: pd.DataFrame | None) -> pd.DataFrame:
    """What the evaluated model said of its test seasons at the cut-offs that this forecast stands at."""
    columns = ["crop", "year", *_SAID, "actual", "kind"]
    if hindcasts is None:
        return pd.DataFrame(columns=columns)
    now = _whole(aggregates).sort_values("year").groupby("crop")["as_of"].last()
    rows = hindcasts[(hindcasts["level"] == ALL) & (hindcasts["split"] == str(SplitName.TEST))]
    rows = rows[rows["as_of"] == rows["crop"].map(now)]
    return rows[rows["actual"].notna()].assign(kind=HINDCAST)[columns].sort_values(["crop", "year"])
