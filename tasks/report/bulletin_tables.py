"""The bulletin of a published forecast: picks its tables from what the forecast, its run and the log hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data.contracts.columns import ALL, OF_REGION
from data.contracts.vocabulary import SplitName
from data.settings.schema import Settings
from data.settings.seasons import of_season, season_names
from tasks.report.bulletin import Bulletin
from tasks.report.terms import term_titles

_SAID = ["predicted", "lower_80", "upper_80"]
_RECORD = ["crop", "year", *_SAID, "actual", "kind"]
HINDCAST, ISSUED = "hindcast", "issued"
_RECENT = 5  # years: a region whose yields end earlier grows the crop no more
_NAMED = 20


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
    geojson: bytes | None = None,
    hindcasts: pd.DataFrame | None = None,
    earlier: Sequence[tuple[str, pd.DataFrame]] = (),
    verified: pd.DataFrame | None = None,
    notes: Sequence[str] = (),
) -> Bulletin:
    """A bulletin's value from the published tables.

    `tables` are the forecast's own: predictions, drivers, aggregates, weights, history, rejected; `geojson`
    its forecast.geojson. `hindcasts` are the run's aggregates, whose test seasons the model didn't know;
    `earlier` what forecasts issued before this one said of larger units, with their times, oldest first;
    `verified` is verification.parquet.
    """
    aggregates, history = tables["aggregates"], tables["history"]
    issued = [*earlier, (issue.at, aggregates)]
    line = pd.concat([_whole(frame).assign(day=at[:10]) for at, frame in issued], ignore_index=True)
    names, shapes = _boundaries(geojson)
    regional = history[history["level"] == OF_REGION].rename(columns={"name": "region"})
    return Bulletin(
        number=issue.number,
        issued_on=issue.at[:10],
        forecast_id=issue.forecast_id,
        run_id=issue.run_id,
        forecasts=tables["predictions"],
        aggregates=aggregates,
        drivers=tables["drivers"],
        yields=regional[["region", "year", "crop", "yield"]],
        units=history[history["level"] != OF_REGION],
        regions=_regions(tables["predictions"]["region"], names, tables["weights"]),
        geometries=shapes,
        # of one day the last word
        issued=line.drop_duplicates(["crop", "year", "day"], keep="last"),
        previous=_previous([frame for _, frame in earlier]),
        record=_record(aggregates, history, hindcasts, verified),
        titles={
            term: title
            for season in season_names(settings)
            for term, title in term_titles(of_season(settings, season)).items()
        },
        gate=issue.gate,
        missing=(*notes, *absent_regions(tables["predictions"], regional, tables["rejected"], names)),
    )


def _boundaries(geojson: bytes | None) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Names of regions, and their boundaries, from forecast.geojson."""
    names: dict[str, str] = {}
    shapes: dict[str, dict[str, Any]] = {}
    for feature in json.loads(geojson)["features"] if geojson else ():
        region, name = feature["properties"]["region"], feature["properties"]["name"]
        if name is not None:
            names[region] = name
        if feature["geometry"] is not None:
            shapes[region] = feature["geometry"]
    return names, shapes


def _regions(predicted: pd.Series, names: Mapping[str, str], weights: pd.DataFrame) -> pd.DataFrame:
    """Every region with its name and its smallest larger unit."""
    regions = sorted(set(predicted))
    found = pd.DataFrame({"region": regions, "name": pd.Series(map(names.get, regions), dtype=object)})
    larger = weights[weights["level"] != ALL]
    if not len(larger):
        return found.assign(group=None)
    smallest = larger[larger["level"] == larger["level"].iloc[0]].drop_duplicates("region")
    return found.merge(
        smallest[["region", "name"]].rename(columns={"name": "group"}), on="region", how="left"
    )


def _previous(earlier: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The last that was said before of each larger unit."""
    target = ["level", "name", "crop", "year"]
    if not earlier:
        return pd.DataFrame(columns=[*target, "predicted"])
    said = pd.concat(earlier, ignore_index=True)[[*target, "predicted"]]
    return said.dropna(subset="predicted").drop_duplicates(target, keep="last")


def _whole(aggregates: pd.DataFrame) -> pd.DataFrame:
    rows = aggregates[(aggregates["level"] == ALL) & aggregates["predicted"].notna()]
    return rows[["crop", "year", "as_of", *_SAID]]


def _record(
    aggregates: pd.DataFrame,
    history: pd.DataFrame,
    hindcasts: pd.DataFrame | None,
    verified: pd.DataFrame | None,
) -> pd.DataFrame:
    """What was said of past seasons at the cut-offs that this forecast stands at.

    Hindcasts are the evaluated model's, of its test seasons; of issued forecasts the last one at the cut-off
    counts, held against the yields as they are known now, and takes the hindcast's place.
    """
    now = _whole(aggregates).sort_values("year").groupby("crop")["as_of"].last()
    parts = []
    if hindcasts is not None:
        rows = hindcasts[(hindcasts["level"] == ALL) & (hindcasts["split"] == str(SplitName.TEST))]
        parts.append(rows.assign(kind=HINDCAST))
    if verified is not None:
        rows = verified[verified["level"] == ALL].sort_values("number", kind="stable")
        rows = rows.drop_duplicates(["crop", "year", "as_of"], keep="last").drop(columns="actual")
        whole = history[history["level"] == ALL].rename(columns={"yield": "actual"})
        parts.append(rows.merge(whole[["crop", "year", "actual"]], on=["crop", "year"]).assign(kind=ISSUED))
    found = [
        rows[(rows["as_of"] == rows["crop"].map(now)) & rows["actual"].notna()][_RECORD] for rows in parts
    ]
    found = [rows for rows in found if len(rows)]
    if not found:
        return pd.DataFrame(columns=_RECORD)
    both = pd.concat(found, ignore_index=True).sort_values(["crop", "year", "kind"])
    return both.drop_duplicates(["crop", "year"], keep="last", ignore_index=True)


def absent_regions(
    forecasts: pd.DataFrame, history: pd.DataFrame, rejected: pd.DataFrame, names: Mapping[str, str]
) -> list[str]:
    """A sentence for each crop that regions with recent yields have no forecast of, and why.

    `history` holds the known yields: region, year, crop, yield.
    """
    short = set(rejected.loc[rejected["input"] == "weather", "region"].dropna())
    sentences = []
    for crop, rows in forecasts.groupby("crop", sort=True):
        year = int(rows["year"].max())
        known = history[history["crop"] == crop]
        last = known.groupby("region")["year"].max()
        growing = last[(last > last.max() - _RECENT) & (last < year)]
        absent = sorted(set(growing.index) - set(rows.loc[rows["year"] == year, "region"]))
        for listed, why in (
            ([region for region in absent if region not in short], "without weather"),
            ([region for region in absent if region in short], "with too little usable weather"),
        ):
            if listed:
                shown = ", ".join(names.get(region, region) for region in listed[:_NAMED])
                more = " …" if len(listed) > _NAMED else ""
                what = "region" if len(listed) == 1 else "regions"
                sentences.append(f"{crop} {year}: {len(listed):,} {what} {why}: {shown}{more}")
    return sentences
