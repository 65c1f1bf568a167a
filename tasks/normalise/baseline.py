"""Baselines of yields and climatology of weather, by region: what both depart from.

Shapes: N rows, F columns (the features, then the squares of some), T crops, R regions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from data.contracts.season_table import Floats, Integers, SeasonTable
from data.settings.schema import TrendLine

Kind = Literal["none", "mean", "trend"]
# the naive regional trend: all seasons alike, ten of them for a region's own slope; whatever the settings say
PLAIN_TREND, PLAIN_SEASONS = TrendLine(half_life=math.inf, shrinkage=0.0), 10
UNKNOWN = -1
# beyond this many half-lives all seasons count alike, so that a weight never becomes zero
_MOST_HALVINGS = 900.0


@dataclass(frozen=True, eq=False)
class Baseline:
    """A line over harvest years for each region and crop, and one for regions it has not seen.

    A line is `level + slope · (year - origin)`, in the crop's unit: `level_RT`, `slope_RT`,
    `origin_RT` for the regions of `region_names`, and the pooled `_T` ones for the rest.
    """

    kind: Kind
    region_names: tuple[str, ...]
    crops: tuple[str, ...]
    level_RT: Floats
    slope_RT: Floats
    origin_RT: Floats
    pooled_level_T: Floats
    pooled_slope_T: Floats
    pooled_origin_T: Floats

    @classmethod
    def fit(cls, train: SeasonTable, kind: Kind, lines: Sequence[TrendLine], min_seasons: int) -> Self:
        """Fit on training rows; yields that are NaN are passed over.

        `trend` is the average of `lines`. Each is weighted least squares: its level is the mean under the
        weights 0.5^((last season - t) / half_life), its slope comes from the weights of `slope_half_life`.
        With the information I_r = Σ w (t - t̄_r)², a region's own slope b_r becomes
        (I_r b_r + λ I_med b_pool) / (I_r + λ I_med), λ = `shrinkage`, I_med the median over regions with
        a slope of their own, b_pool = Σ I_r b_r / Σ I_r. A region with fewer than `min_seasons` seasons
        takes b_pool; one without the crop, and one not seen, takes the pooled line: b_pool through the
        weighted mean of all rows. `mean` is each region's plain mean, `none` is zero everywhere.
        """
        R, T = len(train.region_names), len(train.crops)
        nothing = np.zeros((R, T)), np.zeros(T)
        empty = cls(kind, train.region_names, train.crops, *(nothing[0],) * 3, *(nothing[1],) * 3)
        return empty.refit(train.region_N, train.year_N, train.y_NT, lines, min_seasons)

    def refit(
        self,
        region_N: Integers,
        year_N: Integers,
        y_NT: Floats,
        lines: Sequence[TrendLine],
        min_seasons: int,
    ) -> Self:
        """The same kind of baseline of the same regions and crops, drawn through other yields."""
        if self.kind == "none" or not len(y_NT):
            return self
        R, T = self.level_RT.shape
        level, slope, origin = np.zeros((R + 1, T)), np.zeros((R + 1, T)), np.zeros((R + 1, T))
        age_N = (year_N.max() - year_N).astype(np.float64)
        for at in range(T):
            observed_N = ~np.isnan(y_NT[:, at])
            if not observed_N.any():
                continue
            region, age, y = region_N[observed_N], age_N[observed_N], y_NT[observed_N, at]
            if self.kind == "mean":
                level[:, at], _, _ = _fit_level(region, age, y, np.ones(len(y)), R)
                continue
            drawn = np.stack([_fit_line(region, age, y, R, line, min_seasons) for line in lines])
            # the average of lines is a line: through the mean of their levels at the mean of their origins
            slope[:, at], origin[:, at] = drawn[:, 1].mean(axis=0), drawn[:, 2].mean(axis=0)
            level[:, at] = (drawn[:, 0] + drawn[:, 1] * (origin[:, at] - drawn[:, 2])).mean(axis=0)
            origin[:, at] += year_N.max()
        return replace(
            self,
            level_RT=level[:R], slope_RT=slope[:R], origin_RT=origin[:R],
            pooled_level_T=level[R], pooled_slope_T=slope[R], pooled_origin_T=origin[R],
        )  # fmt: skip

    def predict(self, region_N: Integers, year_N: Integers) -> Floats:
        """The baseline's yields y_NT in the crops' units; region -1 takes the pooled line."""
        level_NT = _of_region(self.level_RT, self.pooled_level_T, region_N)
        if self.kind != "trend":
            return level_NT
        slope_NT = _of_region(self.slope_RT, self.pooled_slope_T, region_N)
        origin_NT = _of_region(self.origin_RT, self.pooled_origin_T, region_N)
        return level_NT + slope_NT * (year_N[:, None] - origin_NT)

    def intercepts(self) -> Floats:
        """Value of each line at the year 0, the pooled one last: shape [R + 1, T]."""
        level, slope, origin = (
            np.vstack((known, pooled))
            for known, pooled in (
                (self.level_RT, self.pooled_level_T),
                (self.slope_RT, self.pooled_slope_T),
                (self.origin_RT, self.pooled_origin_T),
            )
        )
        return level - slope * origin


@dataclass(frozen=True, eq=False)
class Climatology:
    """Each region's mean of every column, in the column's unit, and the pooled mean for the rest."""

    mean_RF: Floats
    pooled_F: Floats

    @classmethod
    def fit(cls, region_N: Integers, x_NF: Floats, R: int, kind: Kind) -> Self:
        """Plain means over training rows; zeros under the baseline `none`, where nothing departs."""
        N, F = x_NF.shape
        if kind == "none" or not N:
            return cls(np.zeros((R, F)), np.zeros(F))
        rows_R = np.bincount(region_N, minlength=R)
        # sums of departures from one row of the region keep large offsets out of them
        first_R = np.zeros(R, dtype=np.int64)
        first_R[region_N[::-1]] = np.arange(N)[::-1]
        offset_RF = x_NF[first_R]
        mean_RF = np.empty((R, F))
        for at in range(F):
            departure_N = x_NF[:, at] - offset_RF[region_N, at]
            sum_R = np.bincount(region_N, departure_N, R)
            mean_RF[:, at] = offset_RF[:, at] + sum_R / np.maximum(rows_R, 1)
        pooled_F = np.average(mean_RF, axis=0, weights=rows_R)
        mean_RF[rows_R == 0] = pooled_F
        return cls(mean_RF, pooled_F)

    def of(self, region_N: Integers) -> Floats:
        """Climatology of each row, shape [N, F]; region -1 takes the pooled means."""
        return _of_region(self.mean_RF, self.pooled_F, region_N)


def _of_region(known_RX: Floats, pooled_X: Floats, region_N: Integers) -> Floats:
    if not len(known_RX):
        return np.broadcast_to(pooled_X, (len(region_N), len(pooled_X))).copy()
    rows_NX = known_RX[region_N]
    rows_NX[region_N == UNKNOWN] = pooled_X
    return rows_NX


def _fit_line(
    region_N: Integers, age_N: Floats, y_N: Floats, R: int, line: TrendLine, min_seasons: int
) -> Floats:
    """Level, slope and origin (in years before the last) of each region's line, the pooled one last.

    Shape [3, R + 1].
    """
    w_N = _weights(age_N, line.half_life)
    level, origin, seasons_R = _fit_level(region_N, age_N, y_N, w_N, R)
    slope_level, slope_origin = level, origin
    if line.slope_half_life not in (None, line.half_life):
        w_N = _weights(age_N, line.slope_half_life or line.half_life)
        slope_level, slope_origin, _ = _fit_level(region_N, age_N, y_N, w_N, R)
    dt_N = -age_N - slope_origin[region_N]
    information_R = np.bincount(region_N, w_N * dt_N**2, R)
    together_R = np.bincount(region_N, w_N * dt_N * (y_N - slope_level[region_N]), R)
    pooled = float(together_R.sum() / information_R.sum()) if information_R.sum() > 0 else 0.0
    own_R = (seasons_R >= min_seasons) & (information_R > 0)
    slope = np.full(R + 1, pooled)
    if own_R.any() and math.isfinite(line.shrinkage):
        pull = line.shrinkage * float(np.median(information_R[own_R]))
        shrunk_R = (together_R + pull * pooled) / np.where(own_R, information_R + pull, 1.0)
        slope[:R] = np.where(own_R, shrunk_R, pooled)
    return np.stack((level, slope, origin))


def _weights(age_N: Floats, half_life: float) -> Floats:
    return np.exp2(-np.minimum(age_N / half_life, _MOST_HALVINGS))


def _fit_level(
    region_N: Integers, age_N: Floats, y_N: Floats, w_N: Floats, R: int
) -> tuple[Floats, Floats, Integers]:
    """Weighted means of yields and of years (before the last) by region, the pooled ones last [R + 1].

    With them the rows of each region [R]. A region without rows has the pooled means.
    """
    seasons_R = np.bincount(region_N, minlength=R)
    mass_R = np.bincount(region_N, w_N, R)
    safe_R = np.where(seasons_R > 0, mass_R, 1.0)
    means = []
    for value_N in (y_N, -age_N):
        # sums around one value, so that large offsets don't swallow the digits
        middle = value_N.mean()
        around_N = w_N * (value_N - middle)
        own_R = middle + np.bincount(region_N, around_N, R) / safe_R
        # no BLAS product: how that rounds depends on its number of threads
        pooled = middle + float(around_N.sum()) / float(w_N.sum())
        means.append(np.append(np.where(seasons_R > 0, own_R, pooled), pooled))
    return means[0], means[1], seasons_R
