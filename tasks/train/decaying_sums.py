"""Trend lines from sums that grow season by season: the lines of `normalise.baseline`, without going back.

Shapes: E rows of one season, R regions, V values that lines are drawn through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from data.contracts.season_table import Flags, Floats, Integers
from data.settings.schema import TrendLine

# see baseline: a weight never becomes zero
_MOST_HALVINGS = 900.0


class DecayingSums:
    """Σ w, Σ w t, Σ w t² and, of each value v, Σ w v and Σ w t v, by region.

    w halves with each `half_life` of seasons and t counts years, both from the region's own last season, so
    that neither sums nor weights lose their digits as seasons pass.
    """

    def __init__(self, half_life: float, R: int, V: int) -> None:
        self.half_life = half_life
        self.last_R = np.zeros(R)
        self.w_R, self.wt_R, self.wtt_R = np.zeros(R), np.zeros(R), np.zeros(R)
        self.wv_RV, self.wtv_RV = np.zeros((R, V)), np.zeros((R, V))

    def add(self, region_E: Integers, year: int, value_EV: Floats) -> None:
        """One season more, later than all before; each region once."""
        gap_E = np.where(self.w_R[region_E] > 0, year - self.last_R[region_E], 0.0)
        kept_E = self._weight(gap_E)
        w_E, wt_E, wv_EV = self.w_R[region_E], self.wt_R[region_E], self.wv_RV[region_E]
        self.wtt_R[region_E] = kept_E * (self.wtt_R[region_E] - gap_E * (2 * wt_E - gap_E * w_E))
        self.wt_R[region_E] = kept_E * (wt_E - gap_E * w_E)
        self.w_R[region_E] = kept_E * w_E + 1
        self.wtv_RV[region_E] = kept_E[:, None] * (self.wtv_RV[region_E] - gap_E[:, None] * wv_EV)
        self.wv_RV[region_E] = kept_E[:, None] * wv_EV + value_EV
        self.last_R[region_E] = year

    def levels(self, year: int, centre_RV: Floats) -> tuple[Floats, Floats]:
        """Weighted means of values minus `centre_RV` and of t counted from `year` [R + 1, V], pooled last."""
        seen_R = self.w_R > 0
        safe_R = np.where(seen_R, self.w_R, 1.0)
        apart_RV = self.wv_RV - self.w_R[:, None] * centre_RV
        away_R = self.wt_R + (self.last_R - year) * self.w_R
        share_R = self._share(year)
        mass = max(float((share_R * self.w_R).sum()), np.finfo(np.float64).tiny)
        pooled_V, pooled = (share_R[:, None] * apart_RV).sum(axis=0) / mass, (share_R * away_R).sum() / mass
        level_RV = np.where(seen_R[:, None], apart_RV / safe_R[:, None], pooled_V)
        return np.vstack((level_RV, pooled_V)), np.append(np.where(seen_R, away_R / safe_R, pooled), pooled)

    def slopes(self, year: int, own_R: Flags, shrinkage: float) -> Floats:
        """Slopes over years [R + 1, V], the pooled one last; `own_R`: regions with seasons enough for one."""
        safe_R = np.where(self.w_R > 0, self.w_R, 1.0)
        share_R = self._share(year)
        information_R = share_R * (self.wtt_R - self.wt_R**2 / safe_R)
        together_RV = share_R[:, None] * (self.wtv_RV - (self.wt_R / safe_R)[:, None] * self.wv_RV)
        whole = float(information_R.sum())
        pooled_V = together_RV.sum(axis=0) / whole if whole > 0 else np.zeros(together_RV.shape[1])
        slope_RV = np.tile(pooled_V, (len(own_R) + 1, 1))
        own_R = own_R & (information_R > 0)
        if own_R.any() and math.isfinite(shrinkage):
            pull = shrinkage * float(np.median(information_R[own_R]))
            together_RV = together_RV[own_R] + pull * pooled_V
            slope_RV[:-1][own_R] = together_RV / (information_R[own_R] + pull)[:, None]
        return slope_RV

    def _share(self, year: int) -> Floats:
        """What a region's last season weighs at the origin `year`."""
        return np.where(self.w_R > 0, self._weight(year - self.last_R), 0.0)

    def _weight(self, age: Floats) -> Floats:
        return np.exp2(-np.minimum(age / self.half_life, _MOST_HALVINGS))


def average_line(
    lines: Sequence[TrendLine],
    sums: Mapping[float, DecayingSums],
    year: int,
    own_R: Flags,
    centre_RV: Floats,
) -> tuple[Floats, Floats]:
    """Value at `year` and slope of the average of trend lines [R + 1, V], the pooled one last."""
    at_RV = slopes_RV = np.zeros((len(own_R) + 1, centre_RV.shape[1]))
    for line in lines:
        level_RV, away_R = sums[line.half_life].levels(year, centre_RV)
        slope_RV = sums[line.slope_half_life or line.half_life].slopes(year, own_R, line.shrinkage)
        at_RV, slopes_RV = at_RV + level_RV - slope_RV * away_R[:, None], slopes_RV + slope_RV
    return at_RV / len(lines), slopes_RV / len(lines)
