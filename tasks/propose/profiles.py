"""Profiles of weather measures: kind, unit, valid range from quantiles, codes for missing.

Shapes: N sampled rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.survey.columns import MeasureKind, kind_by_name, unit_by_name, words
from data.survey.recognise import WeatherColumns
from data.survey.survey import Floats, Survey

QUANTILES = (0.0, 0.01, 0.5, 0.99, 1.0)
_SENTINELS = (-9999.0, -999.0, -99.0, -99.9, -99.99, -999.9, -999.99, -9999.9, -8888.0, -888.0,
              -32768.0, -32767.0, 99.9, 999.0, 999.9, 9999.0, 9999.9, 99999.0, 32767.0, 65535.0)  # fmt: skip
_HUGE = 1e15  # fill values of gridded data: 1e20, 9.96921e36, -3.4e38
# what no place on earth has seen; a few values beyond it are faults, many say that the unit is a wrong guess
POSSIBLE = {"°C": (-90.0, 60.0), "°F": (-130.0, 140.0), "K": (180.0, 335.0), "%": (0.0, 100.0)}
_FEW = 0.01
_LEAST_RELATIVE = 40.0  # specific humidity in g/kg, or a share of 1, never comes so high


@dataclass(frozen=True)
class Profile:
    """One measure: `name` is its name in the settings, `column` that in the files.

    `quantiles` are those of QUANTILES without sentinels; `missing` is the share of rows without a sound
    value, `outside` of those the share that is there but beyond `low` to `high`.
    """

    name: str
    column: str
    kind: MeasureKind
    unit: str | None
    guessed: bool
    low: float
    high: float
    quantiles: tuple[float, ...]
    missing: float
    outside: float
    sentinel: float | None
    constant: bool
    single: bool

    @property
    def sound(self) -> float:
        """Share of rows that can be used."""
        return 1 - self.missing


def profile_measures(weather: Survey, columns: WeatherColumns, reserved: set[str]) -> list[Profile]:
    """A profile of every measure, in the order of the files; names don't repeat and aren't `reserved`."""
    names = _names(columns.measures, reserved)
    return [
        _profile(weather, columns, column, name, weather.numbers(column)) for column, name in names.items()
    ]


def _names(columns: tuple[str, ...], reserved: set[str]) -> dict[str, str]:
    """The name in the settings for each column: in plain words, without the unit where that is clear."""
    short = {column: unit_by_name(column, kind_by_name(column))[1] for column in columns}
    full = {column: "_".join(words(column)) or column for column in columns}
    found: dict[str, str] = {}
    for column in columns:
        for name in (short[column], full[column], column):
            others = {short[other] for other in columns if other != column}
            if name not in reserved and name not in others and name not in found.values():
                found[column] = name
                break
        else:
            found[column] = f"{full[column]}_{len(found) + 1}"
    return found


def _profile(weather: Survey, columns: WeatherColumns, column: str, name: str, value_N: Floats) -> Profile:
    kind = kind_by_name(column)
    unit, _ = unit_by_name(column, kind)
    guessed = False
    if kind == "total" and unit in ("°C", "°F"):
        unit = f"{unit} days"
    there_N = value_N[np.isfinite(value_N)]
    low, high = (float(there_N.min()), float(there_N.max())) if len(there_N) else (0.0, 0.0)
    if not weather.whole and (bounds := weather.bounds(column)):
        low, high = min(low, bounds[0]), max(high, bounds[1])
    sentinel = _sentinel(there_N, low, high)
    if sentinel is not None:
        there_N = there_N[_sane(there_N, sentinel)]
        low, high = (float(there_N.min()), float(there_N.max())) if len(there_N) else (0.0, 0.0)
    quantiles = tuple(np.quantile(there_N, QUANTILES).tolist()) if len(there_N) else (0.0,) * len(QUANTILES)
    if unit is None and kind == "temperature" and len(there_N):
        unit, guessed = _temperature_unit(quantiles), True
    if unit is None and kind == "humidity" and _LEAST_RELATIVE < quantiles[3] <= POSSIBLE["%"][1]:
        unit, guessed = "%", True
    low, high = _range(low, high, there_N, kind, unit)
    within_N = there_N[(there_N >= low) & (there_N <= high)]
    rows = max(len(value_N), 1)
    return Profile(
        name, column, kind, unit, guessed, low, high, quantiles, 1 - len(within_N) / rows,
        (len(there_N) - len(within_N)) / rows, sentinel, _constant(columns, value_N),
        len(np.unique(within_N[:100_000])) < 2,
    )  # fmt: skip


def _sentinel(value_N: Floats, low: float, high: float) -> float | None:
    """A value that stands for nothing: a known one, at an end, far from all the others."""
    for end, sign in ((low, 1), (high, -1)):
        rest_N = value_N[value_N != end]
        if len(rest_N) < 2:
            continue
        if abs(end) > _HUGE and float(np.abs(np.quantile(rest_N, 0.5))) < _HUGE / 1e3:
            return end
        if not any(math.isclose(end, known, rel_tol=1e-5) for known in _SENTINELS):
            continue
        typical = float(np.quantile(rest_N, 0.995) - np.quantile(rest_N, 0.005))
        nearest = float(rest_N.min() if sign > 0 else rest_N.max())
        if sign * (nearest - end) > 0.5 * typical:
            return end
        # two of them, as in -9999 and -999
        if sign * (float(np.quantile(rest_N, 0.02 if sign > 0 else 0.98)) - end) > 2 * typical > 0:
            return end
    return None


def _sane(value_N: Floats, sentinel: float) -> Any:
    known = np.isin(
        value_N, [s for s in _SENTINELS if abs(s) >= min(abs(sentinel), 999) and s * sentinel > 0]
    )
    return (value_N != sentinel) & (np.abs(value_N) < _HUGE) & ~known


def _temperature_unit(quantiles: tuple[float, ...]) -> str:
    _, low, middle, high, _ = quantiles
    if low > 180 and high < 340:
        return "K"
    return "°F" if high > 55 or middle > 45 else "°C"


def _range(
    low: float, high: float, value_N: Floats, kind: MeasureKind, unit: str | None
) -> tuple[float, float]:
    """Half the span wider than the data on either side, in round numbers, but never beyond the possible."""
    possible = POSSIBLE.get(unit or "") if kind in ("temperature", "humidity") else None
    if possible and len(value_N):
        beyond = float(((value_N < possible[0]) | (value_N > possible[1])).mean())
        if beyond <= _FEW:
            inside_N = value_N[(value_N >= possible[0]) & (value_N <= possible[1])]
            low, high = float(inside_N.min()), float(inside_N.max())
        else:
            possible = None
    span = (high - low) or max(abs(high), 1.0)
    step = 10.0 ** math.floor(math.log10(span))
    wide_low = math.floor((low - span / 2) / step) * step
    wide_high = math.ceil((high + span / 2) / step) * step
    if low >= 0 and kind != "temperature":
        wide_low = 0.0
    if possible:
        wide_low, wide_high = max(wide_low, possible[0]), min(wide_high, possible[1])
    return float(f"{wide_low:.6g}"), float(f"{wide_high:.6g}")


def _constant(columns: WeatherColumns, value_N: Floats) -> bool:
    """The value never changes within a region."""
    frame = pd.DataFrame({"r": columns.region_N, "v": value_N}).dropna()
    if frame.empty:
        return False
    by_region = frame.groupby("r", sort=False)["v"]
    return bool((by_region.max() == by_region.min()).all()) and int(by_region.size().max()) > 1
