"""The proposal of settings from two surveyed inputs.

Shapes: N sampled rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.errors import InputError
from data.settings.schema import Split
from data.survey.recognise import WeatherColumns, YieldColumns, recognise
from data.survey.region_pairs import RegionPair
from data.survey.survey import Survey, survey
from tasks.propose.crop_calendar import FurtherSeason, further_season, remarks
from tasks.propose.crops import CropFound, choose_crops, yield_table
from tasks.propose.features import FeatureChoice, choose_features
from tasks.propose.impossible import impossible_measures
from tasks.propose.profiles import Profile, profile_measures
from tasks.propose.scope import choose_baseline, choose_first, choose_split
from tasks.propose.season import SeasonChoice, choose_season
from tasks.propose.warnings import seen, span, warnings
from tasks.propose.yield_warnings import refuse_finer_region, yield_remarks


@dataclass(frozen=True)
class Proposal:
    """Everything that the settings file is written from; `unresolved` are sentences for its end.

    `region_names` are those of weather and yields.
    """

    weather: str
    yields: str
    weather_columns: Mapping[str, str]
    yield_columns: Mapping[str, str]
    seen: tuple[str, ...]
    resolution: str
    crops: tuple[CropFound, ...]
    other_crops: tuple[CropFound, ...]
    crop_units: Mapping[str, str]
    first_season: int | None
    why_first: str
    season: SeasonChoice
    baseline: str
    why_baseline: str
    split: Split
    why_split: str
    profiles: tuple[Profile, ...]
    left_out: tuple[tuple[str, str], ...]
    features: FeatureChoice
    weather_rows: int
    min_coverage: float = 0.9
    why_coverage: str = ""
    max_rejected: float = 0.2
    why_rejected: str = ""
    further: FurtherSeason | None = None
    regions: str | None = None
    region_columns: Mapping[str, str] = field(default_factory=dict)
    region_names: frozenset[str] = frozenset()
    levels: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()


def propose(weather_at: str, yields_at: str, regions_at: str | None = None) -> Proposal:
    """Look at both inputs and decide. Raises InputError where no settings could help, StorageError."""
    weather = survey(weather_at)
    yields = weather if yields_at == weather_at else survey(yields_at)
    w, y = recognise(weather, yields)
    regions = frozenset(weather.all_names(w.region))
    pair = RegionPair(w.region, y.region, regions, frozenset(y.region_N.dropna()), 0.0)
    unresolved: list[str] = []
    season = choose_season(weather, w)
    unresolved += season.unresolved
    year_N = _harvest_years(w, season)
    first, last = int(np.nanmin(year_N)), int(np.nanmax(year_N))
    table = yield_table(yields, y, pair)
    refuse_finer_region(yields, y, table)
    matched = table[table["known"] & table["year"].between(first, last)]
    if matched.empty:
        raise InputError(
            f"no yield meets weather: {len(pair.common)} regions are in both inputs, but the weather is of "
            f"the harvest years {first} to {last} and the yields of {span(table['year'])}"
        )
    start, why_first, more = choose_first(table, matched, first, season)
    unresolved += more
    if start is not None:
        matched = matched[matched["year"] >= start]
    seasons = int(matched["year"].nunique())
    split, why_split = choose_split(seasons)
    test_from = sorted(matched["year"].unique())[-split.test_seasons] if split.test_seasons else 10**6
    training = matched[matched["year"] < test_from] if split.by == "season" else matched
    baseline, why_baseline = choose_baseline(int(training["year"].nunique()), split, training)
    profiles = profile_measures(weather, w, {"region", "year", "date", "month", "split"})
    crops, others, units, more = choose_crops(yields, y, table, matched, training)
    unresolved += more
    rows = min(crop.rows for crop in crops) * len(training) / max(len(matched), 1)
    features, left_out, more = choose_features(
        profiles, w, weather, season, baseline, rows, int(training["year"].nunique())
    )
    unresolved += more + warnings(weather, yields, w, y, pair, profiles)
    unresolved += impossible_measures(profiles, w.resolution)
    names, months = [crop.name for crop in crops], _months(w)
    unresolved += remarks(names, season, months)
    further = further_season(names, season, months)
    chosen = table[table["crop"].isin([crop.name for crop in crops])]
    unresolved += yield_remarks(weather, yields, w, y, pair, chosen)
    if split.by == "none":
        unresolved.append(
            f"How good the forecasts are: with {seasons} season{'s' if seasons > 1 else ''} in both inputs "
            "none is left to test on; 4 are needed."
        )
    coverage, why_coverage = _coverage(w)
    return Proposal(
        weather_at, yields_at, _weather_mapping(weather, w, profiles), _yield_mapping(yields, y, crops),
        seen(weather, yields, w, y, pair, (first, last), table), w.resolution, crops, others, units, start,
        why_first, season, baseline, why_baseline, split, why_split, tuple(profiles), left_out, features,
        weather.rows, coverage, why_coverage, further=further,
        regions=regions_at, region_names=pair.weather_names | pair.yield_names,
        unresolved=tuple(dict.fromkeys(unresolved)),
    )  # fmt: skip


def _months(w: WeatherColumns) -> frozenset[int]:
    """The months that the weather has; none for seasonal data."""
    month_N = w.month_N()
    return frozenset(int(month) for month in np.unique(month_N[np.isfinite(month_N)]).tolist())


def _harvest_years(w: WeatherColumns, season: SeasonChoice) -> Any:
    if not season.crosses or w.resolution == "season":
        return w.year_N()
    return w.year_N() + (w.month_N() >= int(season.start[:2]))


def _coverage(w: WeatherColumns) -> tuple[float, str]:
    if w.resolution != "daily" or w.spacing <= 1.5:
        return 0.9, ""
    share = 0.85 / max(w.spacing, 31 if w.spacing > 25 else w.spacing)
    return float(
        f"{share:.2g}"
    ), f"dates are {w.spacing:g} days apart, so that so few days of a season are observed"


def _weather_mapping(weather: Survey, w: WeatherColumns, profiles: list[Profile]) -> dict[str, str]:
    mapping = {"region": w.region} | w.times
    # a column that goes by one of our names but is something else must not be taken for it
    for name in ("date", "month"):
        if name not in mapping and name in {*weather.kinds, *weather.unread}:
            mapping[name] = ""
    mapping |= {profile.name: profile.column for profile in profiles}
    return {name: source for name, source in mapping.items() if name != source}


def _yield_mapping(yields: Survey, y: YieldColumns, crops: tuple[CropFound, ...]) -> dict[str, str]:
    mapping = {"region": y.region, "year": y.year}
    if y.crop and y.value:
        mapping |= {"crop": y.crop, "yield": y.value}
        if y.unit:
            mapping["unit"] = y.unit
        elif "unit" in yields.kinds:
            mapping["unit"] = ""
    else:
        mapping |= {crop.name: crop.column or crop.name for crop in crops}
    return {name: source for name, source in mapping.items() if name != source}
