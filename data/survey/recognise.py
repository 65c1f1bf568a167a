"""The keys, measures and yields among the columns of two surveyed inputs: by names, then by values.

Where this finds nothing that the ingest can read, it raises InputError with what was found and the way out.
Shapes: N sampled rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from data.errors import InputError
from data.inputs.fix_commands import rewrite
from data.settings.calendar import Resolution
from data.survey.columns import Role, is_aside, role_score, says_yield
from data.survey.long_format import pivot_advice
from data.survey.number_texts import has_decimal_commas, not_numbers
from data.survey.region_pairs import pair_regions
from data.survey.survey import Floats, Survey
from data.survey.time_columns import best, civil, is_number, weather_times, year_of_yields

_MOST_COPIES = 0.5
_MANY_COPIES = 0.3  # from here on a column may tell them apart


@dataclass(frozen=True, eq=False)
class WeatherColumns:
    """`time_N`: days, 12 · year + month - 1, or years. `spacing`: days from one date to the next."""

    region: str
    region_N: pd.Series[Any]
    times: dict[str, str]
    resolution: Resolution
    time_N: Floats
    spacing: float
    measures: tuple[str, ...]
    unused: tuple[str, ...] = ()

    def year_N(self) -> Floats:
        """Calendar years."""
        if self.resolution == "daily":
            return civil(self.time_N, "Y") + 1970
        return np.floor(self.time_N / 12) if self.resolution == "monthly" else self.time_N

    def month_N(self) -> Floats:
        """Months 1 to 12; NaN in seasonal data."""
        if self.resolution == "daily":
            return civil(self.time_N, "M") % 12 + 1
        return self.time_N % 12 + 1 if self.resolution == "monthly" else np.full(len(self.time_N), np.nan)


@dataclass(frozen=True, eq=False)
class YieldColumns:
    """`crop` and `value` are columns of long yields; wide ones have `wide`, a column for each crop."""

    region: str
    region_N: pd.Series[Any]
    year: str
    year_N: Floats
    crop: str | None
    value: str | None
    unit: str | None
    wide: tuple[str, ...] = ()
    unused: tuple[str, ...] = field(default=())


def recognise(weather: Survey, yields: Survey) -> tuple[WeatherColumns, YieldColumns]:
    """Find the columns of both inputs. Raises InputError."""
    _refuse_swapped(weather, yields)
    times, resolution, time_N, spacing = weather_times(weather)
    year = year_of_yields(yields)
    year_N = yields.integers(year)
    crop, value, unit, wide = _crops_and_values(yields, year)
    same = weather.uri == yields.uri
    taken = {name for name in (year, crop, value, unit, *wide) if name}
    crop_N = yields.names(crop) if crop else pd.Series(np.zeros(len(year_N)))
    pair = pair_regions(
        weather, [*times.values(), *(taken if same else ())], pd.Series(time_N),
        yields, list(taken), pd.DataFrame({"year": year_N, "crop": crop_N}),
    )  # fmt: skip
    _refuse_copies(weather, pair.weather, pair.weather_copies, list(times.values()))
    others = {pair.weather, *times.values(), *(taken if same else ())}
    measures = tuple(
        name for name in weather.kinds
        if name not in others and not is_aside(name) and is_number(weather, name)
        and role_score(name, "year") < 0.9 and role_score(name, "month") < 0.9
    )  # fmt: skip
    commas = [name for name in weather.kinds if name not in others and has_decimal_commas(weather, name)]
    if not measures:
        raise InputError(
            f"{weather.place}: no column of numbers is left to be a weather measure, beside "
            f"{', '.join(sorted(others))}; the columns are: {weather.listing}"
            + (f". {commas[0]!r} {not_numbers(weather, commas)}" if commas else "")
        )
    left = tuple(name for name in weather.kinds if name not in others and name not in measures)
    used = {pair.yields, *taken}
    spare = tuple(name for name in yields.kinds if name not in used)
    return (
        WeatherColumns(
            pair.weather, weather.names(pair.weather), times, resolution, time_N, spacing, measures, left
        ),
        YieldColumns(
            pair.yields,
            yields.names(pair.yields),
            year,
            year_N,
            crop,
            value,
            unit,
            wide,
            () if same else spare,
        ),
    )


def _crops_and_values(
    yields: Survey, year: str
) -> tuple[str | None, str | None, str | None, tuple[str, ...]]:
    kinds = yields.kinds
    free = [name for name in kinds if name != year]
    unit = best(yields, "unit", lambda name: name != year and kinds[name] == "text")
    crop = best(yields, "crop", lambda name: name not in (year, unit) and kinds[name] == "text")
    values = [
        name for name in free
        if name not in (unit, crop) and not is_aside(name) and is_number(yields, name)
        and role_score(name, "region") < 0.45 and role_score(name, "year") < 0.9
    ]  # fmt: skip
    named = [name for name in values if says_yield(name) or role_score(name, "yield") >= 0.9]
    unreadable = [
        name for name in free
        if name not in (unit, crop, *values) and kinds[name] == "text" and not is_aside(name)
        and (says_yield(name) or role_score(name, "yield") >= 0.9)
    ]  # fmt: skip
    commas = [name for name in unreadable if has_decimal_commas(yields, name)]
    hopeless = len(values) != 1 if crop else not values
    if unreadable and not named and (commas or hopeless):
        raise InputError(
            f"{yields.place}: column {(commas or unreadable)[0]!r} is named like a yield, but "
            + not_numbers(yields, commas or unreadable)
        )
    if crop:
        if not named and len(values) != 1:
            raise InputError(
                f"{yields.place}: column {crop!r} names the crop, but no column is named like a yield among "
                f"{', '.join(values) or 'the others, none of which holds numbers'}; found {yields.listing}. "
                "Rename the one that holds yields to 'yield'"
            )
        value = max(named, key=lambda name: role_score(name, "yield")) if named else values[0]
        return crop, value, unit, ()
    wide = named or values
    if not wide:
        raise InputError(
            f"{yields.place}: no column of yields: expected a column of numbers named like 'yield' beside "
            f"one that names the crop, or one column of numbers for each crop; found {yields.listing}"
        )
    return None, None, unit, tuple(wide)


def _refuse_swapped(weather: Survey, yields: Survey) -> None:
    def has(survey: Survey, role: Role) -> bool:
        return any(role_score(name, role) > 0.9 for name in survey.kinds)

    if weather.uri != yields.uri and has(weather, "yield") and has(weather, "crop") and not (
        has(yields, "yield") or has(yields, "crop")
    ):  # fmt: skip
        raise InputError(
            f"{weather.place} has columns of yields ({weather.listing}) and {yields.place} has none "
            f"({yields.listing}): the weather comes first: cropyield init {yields.place} {weather.place}"
        )


def _refuse_copies(weather: Survey, region: str, copies: float, times: list[str]) -> None:
    if copies > _MANY_COPIES and (advice := pivot_advice(weather, [region, *times])):
        raise InputError(
            f"{weather.place}: {copies:.0%} of the rows repeat the {region!r} and {' and '.join(times)} of "
            f"another row: {advice}"
        )
    if copies > _MOST_COPIES:
        others = [name for name in weather.kinds if weather.kinds[name] == "text" and name != region]
        hint = f" (other columns of text: {', '.join(others)})" if others else ""
        average = f"t = t.groupby({[region, *times]}).mean(numeric_only=True).reset_index()"
        raise InputError(
            f"{weather.place}: {copies:.0%} of the rows repeat the {region!r} and {' and '.join(times)} of "
            f"another row: one row per region and time is expected{hint}. Are there several stations in a "
            "region, or a date that the file gives otherwise? Average them first:\n"
            + rewrite(weather.place, average)
        )
