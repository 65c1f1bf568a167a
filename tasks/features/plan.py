"""The plan of features: the sums over stretches of the season that they need, and how they follow from these.

The season's slots are cut into segments such that every feature's window (of every cut-off) is a
union of segments; sums are kept per segment, so one pass over the rows serves all cut-offs.
Shapes: C cells (region-seasons), F features, S segments, K slots, Y years, I runs of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.contracts.season_table import Integers
from data.errors import SettingsError
from data.settings.calendar import Resolution, SeasonCalendar, season_calendar
from data.settings.expand import FeatureSpec, cutoffs, expand_features, season_days, season_end
from data.settings.schema import YEAR, Settings
from tasks.features.aggregates import Kind, Statistic, arithmetic_of, statistics_of


@dataclass(frozen=True, eq=False)
class Plan:
    """`segment_K` says which segment each slot is in; `cutoffs` holds the features of every AS_OF."""

    calendar: SeasonCalendar
    segment_K: Integers
    segments: int
    gathers: tuple[Statistic, ...]
    measures: tuple[str, ...]
    cutoffs: dict[str, tuple[FeatureSpec, ...]]


def make_plan(settings: Settings, resolution: Resolution) -> Plan:
    """Plan the pass over weather of some resolution.

    Raises SettingsError for features that such data can't give, saying why.
    """
    calendar = season_calendar(settings.season, resolution)
    end = season_end(settings)
    of_cutoff: dict[str, tuple[FeatureSpec, ...]] = {}
    for as_of in cutoffs(settings):
        specs = expand_features(settings, as_of)
        if as_of == end:
            for spec in specs:
                _check(spec, calendar)
        specs = tuple(spec for spec in specs if spec.measure == YEAR or _enough(spec, calendar))
        if as_of != end and not any(spec.measure != YEAR for spec in specs):
            raise SettingsError(
                f"as_of: no feature is complete by {as_of} in {_WORDS[resolution]} data; "
                "choose a later day" + ("" if resolution == "season" else ", best the last of a month")
            )
        of_cutoff[as_of] = specs
    measured = {
        (spec, tuple(calendar.covered(spec))): None
        for specs in of_cutoff.values()
        for spec in specs
        if spec.measure != YEAR
    }
    measures = tuple(dict.fromkeys(f.measure for f in settings.features if f.measure != YEAR))
    if resolution == "daily":
        gathers = tuple(dict.fromkeys(gather for spec, _ in measured for gather in statistics_of(spec)))
        member_FK = np.array([covered for _, covered in measured], np.bool_).reshape(-1, len(calendar))
        changes_K = np.zeros(len(calendar), np.int64)
        changes_K[1:] = (member_FK[:, 1:] != member_FK[:, :-1]).any(axis=0)
        segment_K = np.cumsum(changes_K)
    else:  # a segment per slot: the values themselves are kept
        gathers = tuple(Statistic(measure, Kind.sum.name) for measure in measures)
        segment_K = np.arange(len(calendar), dtype=np.int64)
    return Plan(calendar, segment_K, int(segment_K[-1]) + 1, gathers, measures, of_cutoff)


def spread_cutoffs(settings: Settings, resolution: Resolution) -> Settings:
    """The settings with the cut-offs that `as_of_every` stands for among those of `as_of`.

    They are the days at that distance on which something of the season is known, each taken back to the end
    of the last day, month or season that is over by then, since nothing more is known in such weather.
    """
    calendar, days = season_calendar(settings.season, resolution), season_days(settings.season)
    found = dict.fromkeys(settings.as_of)
    for known in range(settings.as_of_every, len(days), settings.as_of_every):
        over_K = np.flatnonzero(calendar.within(days[:known]))
        if not len(over_K) or len(over_K) == len(calendar):
            continue
        as_of = calendar.slot_end(int(over_K[-1]))
        try:
            specs = expand_features(settings, as_of)
        except (
            SettingsError
        ):  # no feature begins by then; whatever else is wrong comes up with the season's end
            continue
        if any(spec.days and _enough(spec, calendar) for spec in specs):
            found[as_of] = None
    return settings.model_copy(update={"as_of": tuple(found), "as_of_every": 0})


def _enough(spec: FeatureSpec, calendar: SeasonCalendar) -> bool:
    least = 1 if spec.aggregate is None else arithmetic_of(spec.aggregate).least
    return int(calendar.covered(spec).sum()) >= least


def _check(spec: FeatureSpec, calendar: SeasonCalendar) -> None:
    kind = _WORDS[calendar.resolution]
    if spec.aggregate is None:
        return
    of = arithmetic_of(spec.aggregate)
    if calendar.resolution != "daily" and of.slots is None:
        raise SettingsError(
            f"features: {spec.name} counts days, but the weather is {kind}: "
            f"a {_PERIOD[calendar.resolution]}'s value doesn't say on how many of its days "
            f"{spec.measure} passed a threshold; give daily weather or another aggregate"
        )
    if _enough(spec, calendar):
        return
    if calendar.resolution == "season":
        why = (
            "there is no spread in one value"
            if of.least > 1
            else "a value of the whole season can't be divided into windows or months"
        )
    elif of.least > 1:
        why = f"its window holds only one {_PERIOD[calendar.resolution]}, and one value has no spread"
    else:
        why = "its window holds no whole month"
    raise SettingsError(f"features: {spec.name} can't be had from {kind} weather: {why}")


_WORDS: dict[Resolution, str] = {"daily": "daily", "monthly": "monthly", "season": "seasonal"}
_PERIOD: dict[Resolution, str] = {"daily": "day", "monthly": "month", "season": "season"}
