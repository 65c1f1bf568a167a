"""The time of a row: dates, years and months among the columns, and what to do where they can't be read.

Shapes: N sampled rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from data.errors import InputError
from data.inputs.fix_commands import melt_advice, rewrite
from data.settings.calendar import Resolution
from data.survey.columns import Role, role_score
from data.survey.date_texts import century_remedy, date_remedy
from data.survey.survey import Floats, Survey

_YEARS = (1500, 2200)
_EXAMPLES, _LONGEST = 4, 40  # values shown, and letters of each


def weather_times(weather: Survey) -> tuple[dict[str, str], Resolution, Floats, float]:
    date = best(weather, "date", lambda name: _is_date(weather, name))
    year = best(weather, "year", lambda name: _is_year(weather, name))
    month = best(weather, "month", lambda name: _within(weather, name, 1, 12))
    spacing = _spacing(weather, weather.days(date)) if date else 0.0
    if date and not (year and month and spacing > 3):
        return {"date": date}, "daily", weather.days(date), spacing
    day = best(weather, "day", lambda name: _within(weather, name, 1, 366))
    if year and (month or day) and day and len(np.unique(weather.integers(day))) > 12:
        make = f"pd.to_datetime(dict(year=t[{year!r}], month=t[{month!r}], day=t[{day!r}]))"
        if not month:
            make = (
                f"pd.to_datetime(t[{year!r}].astype(str) + t[{day!r}].astype(str).str.zfill(3), "
                "format='%Y%j')"
            )
        raise InputError(
            f"{weather.place}: the day is spread over the columns {year!r}, {f'{month!r}, ' if month else ''}"
            f"{day!r}; daily weather needs one column of dates. Make it:\n"
            + rewrite(weather.place, f"t['date'] = {make}")
        )
    if year and month:
        return (
            {"year": year, "month": month}, "monthly",
            weather.integers(year) * 12 + weather.integers(month) - 1, 30.4,
        )  # fmt: skip
    if year:
        return {"year": year}, "season", weather.integers(year), 365.0
    raise _no_time(weather)


def _no_time(weather: Survey) -> InputError:
    named = [
        (role_score(name, "date") + role_score(name, "year"), name)
        for name in weather.kinds
        if max(role_score(name, "date"), role_score(name, "year")) > 0.4
    ]
    expected = (
        f"{weather.place}: no column tells when: expected dates (a date, a timestamp or text such as "
        f"2001-05-31), or a year (2001) and a month (5), or a year alone; found {weather.listing}"
    )
    if not named:
        return InputError(expected)
    name = max(named)[1]
    return InputError(
        f"{expected}. Column {name!r} holds values such as {_example(weather, name)}, which can't be read "
        f"as that; convert it{date_remedy(weather, name)}"
    )


def year_of_yields(yields: Survey) -> str:
    # a spreadsheet's "yield 2001" in kg/ha may pass for a column of years
    spread = melt_advice(yields.place, yields.kinds)
    year = best(yields, "year", lambda name: _is_year(yields, name))
    if year and not (spread and role_score(year, "year") < 0.9):
        return year
    if spread:
        raise InputError(f"{yields.place}: {spread}")
    named = sorted(
        (max(role_score(name, "year"), role_score(name, "date")), name)
        for name in yields.kinds
        if max(role_score(name, "year"), role_score(name, "date")) > 0.3
    )
    if not named:
        raise InputError(
            f"{yields.place}: no column holds the harvest year (whole numbers such as 2001); "
            f"found {yields.listing}"
        )
    name = named[-1][1]
    make = (
        f"t['year'] = t[{name!r}].dt.year" if yields.kinds[name] == "time"
        else f"t['year'] = t[{name!r}].astype(str).str[:4].astype(int)"
    )  # fmt: skip
    if guess := century_remedy(yields, name):
        raise InputError(
            f"{yields.place}: column {name!r} should hold the harvest year as a whole number of four digits "
            f"(2001), but holds values such as {_example(yields, name)}{guess}"
        )
    if _within(yields, name, -math.inf, math.inf):
        low, high = _YEARS
        raise InputError(
            f"{yields.place}: column {name!r} should hold the harvest year, {low} to {high}, but holds "
            f"values such as {_example(yields, name)}; convert it (from another calendar?)"
        )
    raise InputError(
        f"{yields.place}: column {name!r} should hold the harvest year as a whole number (2001), but holds "
        f"values such as {_example(yields, name)}; convert it (for a season such as 2001/02 the harvest "
        f"year is the one it ends in: add 1):\n{rewrite(yields.place, make)}"
    )


def best(survey: Survey, role: Role, fits: Callable[[str], bool]) -> str | None:
    """The column whose name stands best for a role, among those whose values fit."""
    scored = [(role_score(name, role), -at, name) for at, name in enumerate(survey.kinds)]
    for score, _, name in sorted(scored, reverse=True):
        if score >= 0.45 and fits(name):
            return name
    return None


def _is_date(survey: Survey, name: str) -> bool:
    if survey.kinds[name] == "time":
        return True
    return survey.kinds[name] == "text" and _share(survey.days(name)) > 0.8


def _is_year(survey: Survey, name: str) -> bool:
    return _within(survey, name, *_YEARS)


def _within(survey: Survey, name: str, low: float, high: float) -> bool:
    if survey.kinds[name] not in ("number", "text"):
        return False
    value_N = survey.integers(name)
    return (
        _share(value_N) > 0.8 and _share(np.where((value_N < low) | (value_N > high), np.nan, value_N)) > 0.8
    )


def _share(value_N: Floats) -> float:
    return float(np.isfinite(value_N).mean()) if len(value_N) else 0.0


def is_number(survey: Survey, name: str) -> bool:
    kind = survey.kinds[name]
    return kind == "number" or (kind == "text" and _share(survey.numbers(name)) > 0.8)


def _spacing(survey: Survey, day_N: Floats) -> float:
    """Days between one date and the next, typically, in a stretch of neighbouring rows."""
    steps, at = [1.0], 0
    for count in survey.slices()[:8]:
        known = np.unique(day_N[at : at + count])
        known = known[np.isfinite(known)]
        at += count
        if len(known) > 2:
            steps.append(float(np.median(np.diff(known))))
    return float(np.median(steps[1:])) if len(steps) > 1 else 1.0


def civil(day_N: Floats, unit: str) -> Floats:
    known_N = np.isfinite(day_N)
    date_N = np.where(known_N, day_N, 0).astype(np.int64).astype("datetime64[D]")
    value_N: Floats = date_N.astype(f"datetime64[{unit}]").astype(np.int64).astype(np.float64)
    return np.where(known_N, value_N, np.nan)


def _example(survey: Survey, name: str) -> str:
    """A few values of a column, each whole unless it is very long."""
    found = dict.fromkeys(map(str, survey.names(name).dropna().iloc[:2000]))
    whole = [text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…" for text in found]
    return ", ".join(map(repr, whole[:_EXAMPLES])) or "nothing"
