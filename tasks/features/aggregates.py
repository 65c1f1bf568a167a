"""Aggregates of a measure over a window: what is summed for each, and how sums become the feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.contracts.season_table import Floats, Integers
from data.settings.features import FeatureSpec


@dataclass(frozen=True)
class Statistic:
    """One number gathered over the days of a segment: of `measure`, by `kind`, with its thresholds.

    `squares` is the sum of squared departures from the segment's own mean.
    """

    measure: str
    kind: str
    low: float = 0.0
    high: float = 0.0

    @property
    def name(self) -> str:
        """Unique among the gathers of a plan."""
        return f"{self.measure}:{self.kind}:{self.low:g}:{self.high:g}"

    @property
    def neutral(self) -> float:
        """What no row at all gathers to."""
        return {"min": np.inf, "max": -np.inf}.get(self.kind, 0.0)

    def reduce(self, value_N: Floats, begin_I: Integers, end_I: Integers) -> Floats:
        """One number per run of rows; the runs follow one another without gaps."""
        match self.kind:
            case "sum":
                found = np.add.reduceat(value_N, begin_I)
            case "min":
                found = np.minimum.reduceat(value_N, begin_I)
            case "max":
                found = np.maximum.reduceat(value_N, begin_I)
            case "above":
                found = np.add.reduceat((value_N > self.low).astype(np.float64), begin_I)
            case "below":
                found = np.add.reduceat((value_N < self.low).astype(np.float64), begin_I)
            case "degrees":
                found = np.add.reduceat(np.clip(value_N, self.low, self.high) - self.low, begin_I)
            case "count":
                found = (end_I - begin_I).astype(np.float64)
            case _:
                count_I = end_I - begin_I
                mean_I = np.add.reduceat(value_N, begin_I) / count_I
                found = np.add.reduceat((value_N - np.repeat(mean_I, count_I)) ** 2, begin_I)
        return np.asarray(found, dtype=np.float64)


def statistics_of(spec: FeatureSpec) -> tuple[Statistic, ...]:
    """What a feature of daily data needs per segment."""
    measure = spec.measure
    match spec.aggregate:
        case "mean" | "sum":
            return (Statistic(measure, "sum"),)
        case "min" | "max":
            return (Statistic(measure, spec.aggregate),)
        case "std":
            return (Statistic(measure, "count"), Statistic(measure, "sum"), Statistic(measure, "squares"))
        case "days_above":
            return (Statistic(measure, "above", float(spec.threshold or 0.0)),)
        case "days_below":
            return (Statistic(measure, "below", float(spec.threshold or 0.0)),)
        case _:
            return (Statistic(measure, "degrees", float(spec.base or 0.0), float(spec.cap or 0.0)),)


def _merge_gathered(into: dict[Statistic, Floats], added: dict[Statistic, Floats], cell: Integers) -> None:
    # squares first: they need the counts and sums of both sides as they were
    for gather in sorted(into, key=lambda gather: gather.kind != "squares"):
        mine, theirs = into[gather][cell], added[gather]
        match gather.kind:
            case "min":
                into[gather][cell] = np.minimum(mine, theirs)
            case "max":
                into[gather][cell] = np.maximum(mine, theirs)
            case "squares":
                count, total = Statistic(gather.measure, "count"), Statistic(gather.measure, "sum")
                into[gather][cell] = (
                    mine + theirs + between(into[count][cell], into[total][cell], added[count], added[total])
                )
            case _:
                into[gather][cell] = mine + theirs


def between(count_a: Floats, sum_a: Floats, count_b: Floats, sum_b: Floats) -> Floats:
    """What the distance of two means adds to the squares about the common mean (Chan et al. 1983)."""
    both = count_a * count_b
    safe_a, safe_b = np.maximum(count_a, 1), np.maximum(count_b, 1)
    added: Floats = np.where(
        both > 0, (sum_b / safe_b - sum_a / safe_a) ** 2 * both / np.maximum(count_a + count_b, 1), 0.0
    )
    return added


def _ratio(above: Floats, below: Floats) -> Floats:
    ratio: Floats = above / np.where(below > 0, below, 1.0)
    return ratio
