"""Aggregates of a measure over a window: the sums that each needs, and how these become the feature.

Shapes: N rows, I runs of rows, C cells (region-seasons), S segments of a window, K slots of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

import numpy as np

from data.contracts.season_table import Flags, Floats, Integers
from data.settings.expand import FeatureSpec
from data.settings.features import Aggregate, traits_of


@dataclass(frozen=True)
class _Gathering:
    """`reduce` takes the values of rows, where their runs begin, and an aggregate's parameters."""

    reduce: Callable[..., Floats | Integers]
    merge: Callable[[Floats, Floats], Floats] = np.add
    neutral: float = 0.0


def _squares(value_N: Floats, begin_I: Integers) -> Floats:
    """The sum of squared departures from each run's own mean."""
    count_I = _count(value_N, begin_I)
    mean_I = np.add.reduceat(value_N, begin_I) / count_I
    return np.add.reduceat((value_N - np.repeat(mean_I, count_I)) ** 2, begin_I)


def _count(value_N: Floats, begin_I: Integers) -> Integers:
    return np.diff(begin_I, append=len(value_N))


class Kind(Enum):
    """What can be gathered over the rows of a segment: one number, merged with that of further rows."""

    sum = _Gathering(np.add.reduceat)
    min = _Gathering(np.minimum.reduceat, np.minimum, np.inf)
    max = _Gathering(np.maximum.reduceat, np.maximum, -np.inf)
    above = _Gathering(lambda value_N, at, low: np.add.reduceat((value_N > low).astype(float), at))
    below = _Gathering(lambda value_N, at, low: np.add.reduceat((value_N < low).astype(float), at))
    degrees = _Gathering(
        lambda value_N, at, low, high: np.add.reduceat(np.clip(value_N, low, high) - low, at)
    )
    count = _Gathering(_count)
    squares = _Gathering(_squares)  # merging adds the distance of the means, see `merge`


@dataclass(frozen=True)
class Statistic:
    """One number gathered over the rows of a segment: of `measure`, by the name of its kind."""

    measure: str
    kind: str
    parameters: tuple[float, ...] = ()

    @property
    def neutral(self) -> float:
        """What no row at all gathers to."""
        return Kind[self.kind].value.neutral

    def reduce(self, value_N: Floats, begin_I: Integers) -> Floats:
        """One number per run of rows; the runs follow one another without gaps, to the last row."""
        return np.asarray(Kind[self.kind].value.reduce(value_N, begin_I, *self.parameters), np.float64)


@dataclass(frozen=True)
class Arithmetic:
    """All that an aggregate is.

    `sums` are gathered for each segment of daily data; `daily` makes the feature of them, each (C, S),
    and of the observed days (C). `slots` makes it of monthly or seasonal data: values, whether they
    were observed, and the days each stands for, 0 where not observed, all (C, K); without it the
    aggregate needs days. `scaled`: times expected / observed days. `least`: values it takes.
    """

    sums: tuple[Kind, ...]
    daily: Callable[..., Floats]
    slots: Callable[[Floats, Flags, Floats], Floats] | None
    scaled: bool = False
    least: int = 1


def arithmetic_of(aggregate: Aggregate) -> Arithmetic:
    """The arithmetic of each aggregate."""
    match aggregate:
        case "mean":
            return Arithmetic(
                (Kind.sum,),
                lambda sum_CS, observed_C: ratio(sum_CS.sum(axis=1), observed_C),
                lambda value_CK, _, day_CK: ratio((value_CK * day_CK).sum(axis=1), day_CK.sum(axis=1)),
            )
        case "sum":
            return Arithmetic(
                (Kind.sum,),
                _total,
                lambda value_CK, seen_CK, _: _seen(value_CK, seen_CK, 0.0).sum(axis=1),
                scaled=True,
            )
        case "min":
            return Arithmetic(
                (Kind.min,),
                lambda min_CS, _: min_CS.min(axis=1),
                lambda value_CK, seen_CK, _: _seen(value_CK, seen_CK, np.inf).min(axis=1),
            )
        case "max":
            return Arithmetic(
                (Kind.max,),
                lambda max_CS, _: max_CS.max(axis=1),
                lambda value_CK, seen_CK, _: _seen(value_CK, seen_CK, -np.inf).max(axis=1),
            )
        case "std":
            return Arithmetic((Kind.count, Kind.sum, Kind.squares), _daily_spread, _slot_spread, least=2)
        case "days_above":
            return Arithmetic((Kind.above,), _total, None, scaled=True)
        case "days_below":
            return Arithmetic((Kind.below,), _total, None, scaled=True)
        case "degree_days":
            return Arithmetic((Kind.degrees,), _total, None, scaled=True)
        case _:
            assert_never(aggregate)


def statistics_of(spec: FeatureSpec) -> tuple[Statistic, ...]:
    """What a feature of daily data needs per segment; nothing for the harvest year."""
    if spec.aggregate is None:
        return ()
    parameters = tuple(float(getattr(spec, name)) for name in traits_of(spec.aggregate).parameters)
    return tuple(
        Statistic(spec.measure, kind.name, parameters) for kind in arithmetic_of(spec.aggregate).sums
    )


def merge(into: Mapping[Statistic, Floats], added: Mapping[Statistic, Floats], cell: Integers) -> None:
    """Merge what was gathered of further rows into some cells."""
    apart = {}
    for of in into:
        if of.kind == Kind.squares.name:  # needs counts and sums of both sides as they were
            count, total = (Statistic(of.measure, kind.name) for kind in (Kind.count, Kind.sum))
            apart[of] = _between(into[count][cell], into[total][cell], added[count], added[total])
    for of, sums in into.items():
        sums[cell] = Kind[of.kind].value.merge(sums[cell], added[of])
        if of in apart:
            sums[cell] += apart[of]


def ratio(above: Floats, below: Floats) -> Floats:
    """One over the other, and `above` itself where `below` is 0."""
    return above / np.where(below > 0, below, 1.0)


def _total(sum_CS: Floats, _: Floats) -> Floats:
    total_C: Floats = sum_CS.sum(axis=1)
    return total_C


def _seen(value_CK: Floats, seen_CK: Flags, otherwise: float) -> Floats:
    return np.where(seen_CK, value_CK, otherwise)


def _between(count_a: Floats, sum_a: Floats, count_b: Floats, sum_b: Floats) -> Floats:
    """What the distance of two means adds to the squares about the common mean (Chan et al. 1983)."""
    both = count_a * count_b
    safe_a, safe_b = np.maximum(count_a, 1), np.maximum(count_b, 1)
    apart = (sum_b / safe_b - sum_a / safe_a) ** 2
    return np.where(both > 0, apart * both / np.maximum(count_a + count_b, 1), 0.0)


def _daily_spread(count_CS: Floats, sum_CS: Floats, squares_CS: Floats, observed_C: Floats) -> Floats:
    count_C, sum_C, squares_C = (np.zeros(len(observed_C)) for _ in range(3))
    for count_c, sum_c, squares_c in zip(count_CS.T, sum_CS.T, squares_CS.T, strict=True):
        squares_C += squares_c + _between(count_C, sum_C, count_c, sum_c)
        count_C += count_c
        sum_C += sum_c
    return np.where(count_C > 1, np.sqrt(squares_C / np.maximum(count_C - 1, 1)), np.nan)


def _slot_spread(value_CK: Floats, seen_CK: Flags, _: Floats) -> Floats:
    count_C = seen_CK.sum(axis=1)
    mean_C = ratio(_seen(value_CK, seen_CK, 0.0).sum(axis=1), count_C.astype(np.float64))
    squares_C = _seen(value_CK - mean_C[:, None], seen_CK, 0.0) ** 2
    spread_C = np.sqrt(squares_C.sum(axis=1) / np.maximum(count_C - 1, 1))
    return np.where(count_C > 1, spread_C, np.nan)
