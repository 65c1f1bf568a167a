"""Features: name, unit and window of each, expanded from the settings for each cut-off day."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from data.contracts.columns import INTERCEPT, REGION, SEASON_YEAR, SPLIT
from data.errors import SettingsError
from data.settings.features import Aggregate, traits_of
from data.settings.schema import YEAR, Feature, Season, Settings

RESERVED = (REGION.name, SEASON_YEAR.name, SPLIT.name, INTERCEPT)
_LEAP = 2000  # a leap year, so that 29 February is among its days
_FEWEST = 5


@dataclass(frozen=True)
class FeatureSpec:
    """One column of the model's input.

    `days` are calendar days (month, day) of its window in the order of the season, 29 February
    included; empty for the harvest year itself, which has no aggregate.
    """

    name: str
    unit: str
    measure: str
    aggregate: Aggregate | None
    days: tuple[tuple[int, int], ...] = field(repr=False)
    threshold: float | None = None
    base: float | None = None
    cap: float | None = None
    square: bool = False


def season_end(settings: Settings) -> str:
    """AS_OF of the full season: its last day, MM-DD."""
    return settings.season.end


def check_days(settings: Settings, days: Iterable[str]) -> None:
    """Whether cut-off days are written MM-DD. Raises SettingsError."""
    for day in days:
        if dated := re.fullmatch(r"\d{4}-(\d\d-\d\d)", day):
            raise SettingsError(
                f"as_of: {day}: a cut-off is a day of every season, written MM-DD: {dated[1]}"
            )
        if not re.fullmatch(r"\d\d-\d\d", day):
            raise SettingsError(f"as_of: {day}: write a cut-off day as MM-DD, as in {season_end(settings)}")


def cutoffs(settings: Settings) -> tuple[str, ...]:
    """Every AS_OF of a run, earliest first, the full season last. Raises SettingsError."""
    order = {f"{month:02d}-{day:02d}": at for at, (month, day) in enumerate(season_days(settings.season))}
    check_days(settings, settings.as_of)
    outside = [day for day in settings.as_of if day not in order]
    if outside:
        raise SettingsError(
            f"as_of: {', '.join(outside)} is outside the season "
            f"{settings.season.start} to {settings.season.end}"
        )
    return tuple(sorted({*settings.as_of, season_end(settings)}, key=order.__getitem__))


def season_days(season: Season) -> tuple[tuple[int, int], ...]:
    """Calendar days (month, day) of a season in order, 29 February included."""
    return _days(season.start, season.end)


def expand_features(settings: Settings, as_of: str | None = None) -> tuple[FeatureSpec, ...]:
    """Features of the model that knows the weather up to and including `as_of` (default: all of it).

    Months and windows that begin after the cut-off are absent; windows that contain it end there.
    Raises SettingsError for windows outside the season, for two features of one name and when the
    cut-off leaves none.
    """
    season = season_days(settings.season)
    known = season
    if as_of is not None:
        known = season[: season.index((int(as_of[:2]), int(as_of[3:]))) + 1]
    specs = [spec for feature in settings.features for spec in _expand(feature, settings, season, known)]
    names = [spec.name for spec in specs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(
            f"features: {', '.join(twice)} stands for more than one feature; give each a name"
        )
    _check_columns(specs)
    if not any(spec.days for spec in specs) and as_of is not None:
        raise SettingsError(f"as_of: no feature uses weather up to {as_of}")
    return tuple(specs)


def squared_features(settings: Settings) -> frozenset[str]:
    """Names of the features whose squares the model sees too."""
    return frozenset(spec.name for spec in expand_features(settings) if spec.square)


def fewest_rows(settings: Settings, features: Collection[str]) -> int:
    """Fewest training rows that a crop can be modelled from: more than coefficients, or, with a ridge, five.

    With fewer than that there could be no interval either, which takes four seasons predicted from others.
    """
    coefficients = 1 + len(features) + len(squared_features(settings).intersection(features))
    return min(coefficients + 1, _FEWEST) if settings.training.ridge_seasons else coefficients + 1


def _check_columns(specs: list[FeatureSpec]) -> None:
    """Features are columns beside others, and in SQL, where case makes no difference."""
    taken = {name: f"the column {name!r}" for name in RESERVED}
    for spec in specs:
        if spec.measure == YEAR and spec.name == YEAR:
            continue
        known = taken.setdefault(spec.name.lower(), repr(spec.name))
        if known != repr(spec.name):
            raise SettingsError(f"features: the name {spec.name!r} is taken by {known}; give it another one")


def _expand(
    feature: Feature,
    settings: Settings,
    season: tuple[tuple[int, int], ...],
    known: tuple[tuple[int, int], ...],
) -> list[FeatureSpec]:
    if feature.measure == YEAR:
        return [FeatureSpec(feature.name or YEAR, "year", YEAR, None, ())]
    window = season if feature.window is None else _days(*feature.window)
    in_season = set(season)
    outside = [day for day in window if day not in in_season]
    if outside:
        month, day = outside[0]
        raise SettingsError(
            f"features: the window {feature.window} of {feature.measure!r} has {month:02d}-{day:02d}, "
            f"which is outside the season {settings.season.start} to {settings.season.end}"
        )
    usable = set(window) & set(known)
    days = tuple(day for day in known if day in usable)
    if not days:
        return []
    if feature.every == "season":
        return [_spec(feature, settings, days, None)]
    months = list(dict.fromkeys(month for month, _ in days))
    return [
        _spec(feature, settings, tuple(day for day in days if day[0] == month), month) for month in months
    ]


def _spec(
    feature: Feature, settings: Settings, days: tuple[tuple[int, int], ...], month: int | None
) -> FeatureSpec:
    numbers = [feature.threshold] if feature.threshold is not None else [feature.base, feature.cap]
    parts = [feature.measure, str(feature.aggregate), *(f"{n:g}" for n in numbers if n is not None)]
    name = feature.name or "_".join(parts)
    if month is not None:
        name = f"{name}_{month:02d}"
    measure = settings.measures.get(feature.measure)
    unit = (measure.unit if measure else None) or ""
    if feature.aggregate is not None:
        unit = traits_of(feature.aggregate).unit(unit)
    return FeatureSpec(
        name,
        unit,
        feature.measure,
        feature.aggregate,
        days,
        feature.threshold,
        feature.base,
        feature.cap,
        feature.square,
    )


def _days(start: str, end: str) -> tuple[tuple[int, int], ...]:
    new_year = date(_LEAP, 1, 1)
    year = [new_year + timedelta(n) for n in range(366)]
    first, last = date.fromisoformat(f"{_LEAP}-{start}"), date.fromisoformat(f"{_LEAP}-{end}")
    if first > last:  # crosses New Year; 29 February is kept in either part
        days = [day for day in year if day >= first] + [day for day in year if day <= last]
    else:
        days = [day for day in year if first <= day <= last]
    return tuple((day.month, day.day) for day in days)
