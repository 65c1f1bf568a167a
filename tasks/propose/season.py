"""Choice of the season: the months that are there, the warm half where temperatures show it."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from data.survey.columns import kind_by_name, words
from data.survey.recognise import WeatherColumns
from data.survey.survey import Floats, Survey

_Side = Literal["north", "south", "unclear"]
_CLEAR = 3.0  # difference of half-years, in the temperature's own degrees
_NORTH, _SOUTH = (4, 5, 6, 7, 8, 9), (10, 11, 12, 1, 2, 3)


@dataclass(frozen=True)
class SeasonChoice:
    """First and last day; `months` in the order of the season, empty for seasonal data.

    `hemisphere` where it could be told.
    """

    start: str
    end: str
    months: tuple[int, ...]
    why: str
    unresolved: tuple[str, ...] = ()
    hemisphere: Literal["north", "south"] | None = None

    @property
    def crosses(self) -> bool:
        """It begins in the year before its harvest."""
        return self.start > self.end


def choose_season(weather: Survey, w: WeatherColumns) -> SeasonChoice:
    """The growing season that the weather suggests."""
    if w.resolution == "season":
        return SeasonChoice("01-01", "12-31", (), "the weather has one value a season already")
    month_N = w.month_N()
    there = sorted({int(month) for month in np.unique(month_N[np.isfinite(month_N)]).tolist()})
    if len(there) < 12:
        months = _longest(there)
        left = "" if len(months) == len(there) else f" that follow on one another (there are {there})"
        return season_of(months, f"the months{left} that the weather has")
    side, why = _warm_half(weather, w, month_N)
    if side == "south":
        return season_of(_SOUTH, f"{why}: the season crosses New Year and belongs to the year it ends in", (
            "The harvest year: a season that crosses New Year belongs to the year it ends in. If the yields "
            'are filed under the year of sowing, write year_of = "start" into [season].',
            "The season: October to March is only the warm half of the year; set what your crops need.",
        ), side)  # fmt: skip
    if side == "north":
        told = "The season: April to September is only the warm half of the year; set what your crops need."
        return season_of(_NORTH, why, (told,), side)
    return season_of(
        _NORTH, f"a guess: {why}",
        (f"The season: {why}. April to September is a guess; on the southern hemisphere October to March, "
         "start = \"10-01\", end = \"03-31\".",),
    )  # fmt: skip


def _warm_half(weather: Survey, w: WeatherColumns, month_N: Floats) -> tuple[_Side, str]:
    latitude = next((name for name in weather.kinds if words(name)[:1] in (["lat"], ["latitude"])), None)
    if latitude:
        value_N = weather.numbers(latitude)
        share = float((value_N[np.isfinite(value_N)] < 0).mean())
        if share in (0.0, 1.0):
            return ("south" if share else "north"), f"all latitudes are {'south' if share else 'north'}ern"
        return "unclear", "there are northern and southern latitudes"
    warm = next((name for name in w.measures if kind_by_name(name) == "temperature"), None)
    if warm is None:
        return "unclear", "no temperatures tell the hemisphere"
    frame = pd.DataFrame({"r": w.region_N, "m": month_N, "v": weather.numbers(warm)}).dropna()
    half = frame["m"].isin(_NORTH)
    north, south = frame[half].groupby("r")["v"].mean(), frame[~half].groupby("r")["v"].mean()
    gap = (north - south).dropna()
    if (gap > _CLEAR).mean() > 0.9:
        return "north", f"April to September is the warm half of the year ({warm})"
    if (gap < -_CLEAR).mean() > 0.9:
        return "south", f"October to March is the warm half of the year ({warm})"
    if (gap > _CLEAR).any() and (gap < -_CLEAR).any():
        return "unclear", "there are regions of either hemisphere, and one season must serve all"
    return "unclear", f"{warm} doesn't tell a warm half of the year in most regions"


def _longest(there: list[int]) -> tuple[int, ...]:
    """The longest run of months, around New Year too."""
    runs = []
    for first in there:
        if (first - 2) % 12 + 1 not in there:
            run = [first]
            while run[-1] % 12 + 1 in there:
                run.append(run[-1] % 12 + 1)
            runs.append(tuple(run))
    return max(runs, key=len)


def season_of(
    months: tuple[int, ...],
    why: str,
    unresolved: tuple[str, ...] = (),
    hemisphere: Literal["north", "south"] | None = None,
) -> SeasonChoice:
    """The season of some months in order."""
    last = calendar.monthrange(2001, months[-1])[1]
    start, end = f"{months[0]:02d}-01", f"{months[-1]:02d}-{last:02d}"
    return SeasonChoice(start, end, months, why, unresolved, hemisphere)
