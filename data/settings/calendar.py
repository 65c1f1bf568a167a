"""The season's calendar: numbered slots (days, months, the season itself), and the slot of a row's time.

A row's time is one integer: days since 1970-01-01 (daily), 12 · year + month - 1 (monthly), the
harvest year (season). Shapes: K slots, Y years, T times of a table.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt

from data.contracts.season_table import Flags, Floats, Integers
from data.settings.expand import FeatureSpec, season_days
from data.settings.schema import Season

Resolution = Literal["daily", "monthly", "season"]
YearOf = Literal["end", "start"]
LEAP_DAY = (2, 29)
OUTSIDE = -1
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, eq=False)
class SeasonCalendar:
    """`slots` are (month, day) of daily data, (month, 0) of monthly data, ((0, 0),) of seasonal data."""

    resolution: Resolution
    slots: tuple[tuple[int, int], ...]
    season: tuple[tuple[int, int], ...] = field(repr=False)
    year_of: YearOf = "end"

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def first(self) -> tuple[int, int]:
        """The season's first calendar day."""
        return self.season[0]

    @property
    def years_off(self) -> tuple[int, int]:
        """Calendar year - harvest year, of days from the season's first on and of days before it."""
        return _years_off(self.season[0] > self.season[-1], self.year_of)

    def slot_days(self, years: Integers) -> Floats:
        """Days that each slot stands for in each harvest year, (Y, K); 0: 29 February of a common year."""
        day_YK = np.ones((len(years), len(self)))
        if self.resolution == "season":
            return day_YK
        for at, (month, day) in enumerate(self.slots):
            if self.resolution == "daily" and (month, day) != LEAP_DAY:
                continue
            in_year = years + self.years_off[0 if (month, day or 31) >= self.first else 1]
            leap = (in_year % 4 == 0) & ((in_year % 100 != 0) | (in_year % 400 == 0))
            if self.resolution == "monthly":
                day_YK[:, at] = _common_days(month) + (leap if month == 2 else 0)
            else:
                day_YK[:, at] = leap
        return day_YK

    def covered(self, spec: FeatureSpec) -> Flags:
        """The slots (K) that lie wholly in a feature's window; 29 February may be wanting to a month."""
        return self.within(spec.days)

    def within(self, days: tuple[tuple[int, int], ...]) -> Flags:
        """The slots (K) that lie wholly among some calendar days."""
        inside = set(days)
        if self.resolution == "daily":
            return np.array([slot in inside for slot in self.slots], dtype=np.bool_)
        if self.resolution == "season":
            return np.array([inside | {LEAP_DAY} >= set(self.season)])
        return np.array([_month_days(month) <= inside for month, _ in self.slots], dtype=np.bool_)

    def last_known(self, day: date) -> int:
        """The last time of this resolution that is over when a day ends."""
        if self.resolution == "daily":
            return day.toordinal() - _EPOCH
        if self.resolution == "monthly":
            over = day.day == calendar.monthrange(day.year, day.month)[1]
            return day.year * 12 + day.month - (1 if over else 2)
        ended = day.year if day_of(day.year, self.season[-1]) <= day else day.year - 1
        return ended - self.years_off[1]

    def slot_end(self, slot: int) -> str:
        """The last calendar day (MM-DD) of a slot."""
        month, day = self.slots[slot]
        if self.resolution == "season":
            month, day = self.season[-1]
        return f"{month:02d}-{day or _common_days(month):02d}"

    def locate(self, first: int, last: int) -> tuple[Integers, npt.NDArray[np.int32]]:
        """Harvest year and slot (T) of every time from `first` to `last`; the slot is OUTSIDE off season."""
        time_T = np.arange(first, last + 1, dtype=np.int64)
        if self.resolution == "season":
            return time_T, np.zeros(len(time_T), np.int32)
        if self.resolution == "monthly":
            year_T, month_T = np.floor_divide(time_T, 12), time_T % 12 + 1
            slot_of = np.full(13, OUTSIDE, np.int32)
            for at, (month, _) in enumerate(self.slots):
                slot_of[month] = at
            # a month that the season's first day splits is in no slot, so its year doesn't matter
            late_T = month_T >= self.first[0]
            return year_T - np.where(late_T, *self.years_off), slot_of[month_T]
        date_T = time_T.astype("datetime64[D]")
        month_start_T = date_T.astype("datetime64[M]")
        months_T = month_start_T.astype(np.int64)
        year_T, month_T = np.floor_divide(months_T, 12) + 1970, months_T % 12 + 1
        code_T = month_T * 32 + (date_T - month_start_T.astype("datetime64[D]")).astype(np.int64) + 1
        slot_of = np.full(13 * 32, OUTSIDE, np.int32)
        for at, (month, day) in enumerate(self.slots):
            slot_of[month * 32 + day] = at
        late_T = code_T >= self.first[0] * 32 + self.first[1]
        return year_T - np.where(late_T, *self.years_off), slot_of[code_T]


def season_calendar(season: Season, resolution: Resolution) -> SeasonCalendar:
    """The slots of a season. A month is in it when all of its days are (29 February apart)."""
    days = season_days(season)
    if resolution == "daily":
        return SeasonCalendar(resolution, days, days, season.year_of)
    if resolution == "season":
        return SeasonCalendar(resolution, ((0, 0),), days, season.year_of)
    months = dict.fromkeys(month for month, _ in days)
    return SeasonCalendar(
        resolution,
        tuple((month, 0) for month in months if _month_days(month) <= set(days)),
        days,
        season.year_of,
    )


def day_of(year: int, month_day: tuple[int, int]) -> date:
    """A day of a calendar year; 29 February of a common year is the 28th."""
    month, day = month_day
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def cutoff_day(season: Season, harvest_year: int, as_of: str) -> date:
    """The date of a cut-off (MM-DD) in the season of a harvest year."""
    off = _years_off(season.start > season.end, season.year_of)[0 if as_of >= season.start else 1]
    return day_of(harvest_year + off, (int(as_of[:2]), int(as_of[3:])))


def _years_off(crosses: bool, year_of: YearOf) -> tuple[int, int]:
    """Calendar year - harvest year of the part before New Year and of the part after it."""
    if not crosses:
        return 0, 0
    return (-1, 0) if year_of == "end" else (0, 1)


def _month_days(month: int) -> set[tuple[int, int]]:
    return {(month, day) for day in range(1, _common_days(month) + 1)}


def _common_days(month: int) -> int:
    return calendar.monthrange(2001, month)[1]
