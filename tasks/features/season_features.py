"""Features of region-seasons from their sums, and the observed share of each feature's window.

Shapes: C cells (region-seasons), F features, S segments, K slots, Y years, W words.
"""

from __future__ import annotations

import numpy as np

from data.contracts.season_table import Floats
from data.settings.expand import FeatureSpec
from tasks.features.aggregates import Kind, Statistic, arithmetic_of, ratio, statistics_of
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
        if spec.aggregate is None:
            x_CF[:, at] = sums.year_C
            continue
        of = arithmetic_of(spec.aggregate)
        covered_K = plan.calendar.covered(spec)
        expected_C = (day_YK @ covered_K)[year_C]
        if plan.calendar.resolution == "daily":
            mask_W = pack_bits(covered_K[None, :])[0]
            observed_C = np.bitwise_count(sums.present_CW & mask_W).sum(axis=1).astype(np.float64)
            segments = np.unique(plan.segment_K[covered_K])
            gathered = [sums.gathered[statistic][:, segments] for statistic in statistics_of(spec)]
            x_CF[:, at] = of.daily(*gathered, observed_C)
        elif of.slots is not None:  # the plan refuses others
            seen_CK = unpack_bits(sums.present_CW, len(plan.calendar))[:, covered_K]
            value_CK = sums.gathered[Statistic(spec.measure, Kind.sum.name)][:, covered_K]
            day_CK = day_YK[year_C][:, covered_K] * seen_CK
            observed_C = day_CK.sum(axis=1)
            x_CF[:, at] = of.slots(value_CK, seen_CK, day_CK)
        if of.scaled:
            x_CF[:, at] *= ratio(expected_C, observed_C)
        if of.least > 1:  # too few values cover nothing
            observed_C = np.where(np.isnan(x_CF[:, at]), 0.0, observed_C)
        x_CF[observed_C == 0, at] = np.nan
        coverage_C = np.minimum(coverage_C, np.where(expected_C > 0, ratio(observed_C, expected_C), 0.0))
    return x_CF, coverage_C
