"""Features of region-seasons from their sums, and the observed share of each feature's window.

Shapes: C cells (region-seasons), F features, S segments, K slots, Y years, W words.
"""

from __future__ import annotations

import numpy as np

from data.contracts.season_table import Flags, Floats, Integers
from data.settings.features import FeatureSpec
from data.settings.schema import YEAR
from tasks.features.aggregates import Statistic, _ratio, between, statistics_of
from tasks.features.plan import Plan
from tasks.features.season_sums import Sums
from tasks.features.time_table import pack_bits, unpack_bits


def compute_features(sums: Sums, plan: Plan, specs: tuple[FeatureSpec, ...]) -> tuple[Floats, Floats]:
    """Features (C, F) and the coverage (C) of the least covered of them, 0 to 1.

    Coverage is observed / expected days of the feature's own window (months count by their days).
    Sums, days above or below and degree days are scaled by expected / observed days. Means of monthly
    values weigh by the month's days; `std` is the sample's (n - 1) over the values as they are.
    What nothing was observed of is NaN.
    """
    years, year_C = np.unique(sums.year_C, return_inverse=True)
    day_YK = plan.calendar.slot_days(years)
    x_CF = np.empty((len(sums), len(specs)))
    coverage_C = np.ones(len(sums))
    for at, spec in enumerate(specs):
        if spec.measure == YEAR:
            x_CF[:, at] = sums.year_C
            continue
        covered_K = plan.calendar.covered(spec)
        expected_C = (day_YK @ covered_K)[year_C]
        if plan.calendar.resolution == "daily":
            x_CF[:, at], observed_C = _daily(sums, plan, spec, covered_K)
        else:
            x_CF[:, at], observed_C = _of_slots(sums, plan, spec, covered_K, day_YK[year_C])
        if spec.aggregate not in ("mean", "min", "max", "std"):
            x_CF[:, at] *= _ratio(expected_C, observed_C)
        if spec.aggregate == "std":  # one value has no spread, so it covers nothing
            observed_C = np.where(np.isnan(x_CF[:, at]), 0.0, observed_C)
        x_CF[observed_C == 0, at] = np.nan
        coverage_C = np.minimum(coverage_C, np.where(expected_C > 0, _ratio(observed_C, expected_C), 0.0))
    return x_CF, coverage_C


def _daily(sums: Sums, plan: Plan, spec: FeatureSpec, covered_K: Flags) -> tuple[Floats, Floats]:
    mask_W = pack_bits(covered_K[None, :])[0]
    observed_C = np.bitwise_count(sums.present_CW & mask_W).sum(axis=1).astype(np.float64)
    segments = np.unique(plan.segment_K[covered_K])
    gathers = statistics_of(spec)
    total_CS = sums.gathered[gathers[0]][:, segments]
    match spec.aggregate:
        case "min":
            return total_CS.min(axis=1), observed_C
        case "max":
            return total_CS.max(axis=1), observed_C
        case "mean":
            return _ratio(total_CS.sum(axis=1), observed_C), observed_C
        case "std":
            return _spread(sums, spec.measure, segments), observed_C
    return total_CS.sum(axis=1), observed_C


def _spread(sums: Sums, measure: str, segments: Integers) -> Floats:
    count_CS, sum_CS, squares_CS = (
        sums.gathered[Statistic(measure, kind)] for kind in ("count", "sum", "squares")
    )
    count_C, sum_C, squares_C = (np.zeros(len(sums)) for _ in range(3))
    for at in segments.tolist():
        squares_C += squares_CS[:, at] + between(count_C, sum_C, count_CS[:, at], sum_CS[:, at])
        count_C += count_CS[:, at]
        sum_C += sum_CS[:, at]
    return np.where(count_C > 1, np.sqrt(squares_C / np.maximum(count_C - 1, 1)), np.nan)


def _of_slots(
    sums: Sums, plan: Plan, spec: FeatureSpec, covered_K: Flags, day_CK: Floats
) -> tuple[Floats, Floats]:
    seen_CK = unpack_bits(sums.present_CW, len(plan.calendar))[:, covered_K]
    value_CK = sums.gathered[Statistic(spec.measure, "sum")][:, covered_K]
    day_CK = day_CK[:, covered_K] * seen_CK
    observed_C = day_CK.sum(axis=1)
    match spec.aggregate:
        case "min":
            return np.where(seen_CK, value_CK, np.inf).min(axis=1), observed_C
        case "max":
            return np.where(seen_CK, value_CK, -np.inf).max(axis=1), observed_C
        case "mean":
            return _ratio((value_CK * day_CK).sum(axis=1), observed_C), observed_C
        case "std":
            count_C = seen_CK.sum(axis=1)
            mean_C = _ratio(np.where(seen_CK, value_CK, 0.0).sum(axis=1), count_C.astype(np.float64))
            squares_C = np.where(seen_CK, value_CK - mean_C[:, None], 0.0) ** 2
            spread_C = np.sqrt(squares_C.sum(axis=1) / np.maximum(count_C - 1, 1))
            return np.where(count_C > 1, spread_C, np.nan), observed_C
    return np.where(seen_CK, value_CK, 0.0).sum(axis=1), observed_C
