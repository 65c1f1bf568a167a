"""Baselines of yields and climatology of weather, by region: what both depart from.

Shapes: N rows, F features, T crops, R regions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from data.contracts.season_table import Floats, Integers, SeasonTable

Kind = Literal["none", "mean", "trend"]
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
    def fit(
        cls, train: SeasonTable, kind: Kind, half_life: float, shrinkage: float, min_seasons: int
    ) -> Self:
        """Fit on training rows; yields that are NaN are passed over.

        `trend` is least squares with the weights 0.5^((last season - t) / half_life). With the
        information I_r = Σ w (t - t̄_r)², a region's own slope b_r becomes
        (I_r b_r + λ I_med b_pool) / (I_r + λ I_med), λ = `shrinkage`, I_med the median over regions with
        a slope of their own, b_pool = Σ I_r b_r / Σ I_r. A region with fewer than `min_seasons` seasons
        takes b_pool; one without the crop, and one not seen, takes the pooled line: b_pool through the
        weighted mean of all rows. `mean` is each region's plain mean, `none` is zero everywhere.
        """
        R, T = len(train.region_names), len(train.crops)
        lines = [_no_line(R)] * T
        if kind != "none" and len(train):
            halvings = np.zeros(len(train))
            if kind == "trend":
                halvings = np.minimum((train.year_N.max() - train.year_N) / half_life, _MOST_HALVINGS)
            weight_N = np.exp2(-halvings)
            lines = []
            for at in range(T):
                observed_N = ~np.isnan(train.y_NT[:, at])
                lines.append(
                    _fit_lines(
                        train.region_N[observed_N], train.year_N[observed_N].astype(np.float64),
                        train.y_NT[observed_N, at], weight_N[observed_N], R,
                        shrinkage if kind == "trend" else None, min_seasons,
                    )
                )  # fmt: skip
        stacked_6RT = np.stack(lines, axis=-1) if T else np.zeros((3, R + 1, 0))
        level, slope, origin = stacked_6RT
        return cls(
            kind, train.region_names, train.crops,
            level[:R], slope[:R], origin[:R], level[R], slope[R], origin[R],
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
    """Each region's mean of every feature, in the feature's unit, and the pooled mean for the rest."""

    mean_RF: Floats
    pooled_F: Floats

    @classmethod
    def fit(cls, train: SeasonTable, kind: Kind) -> Self:
        """Plain means over training rows; zeros under the baseline `none`, where nothing departs."""
        R, F = len(train.region_names), len(train.features)
        if kind == "none" or not len(train):
            return cls(np.zeros((R, F)), np.zeros(F))
        rows_R = np.bincount(train.region_N, minlength=R)
        # sums of departures from one row of the region keep large offsets out of them
        first_R = np.zeros(R, dtype=np.int64)
        first_R[train.region_N[::-1]] = np.arange(len(train))[::-1]
        offset_RF = train.x_NF[first_R]
        mean_RF = np.empty((R, F))
        for at in range(F):
            departure_N = train.x_NF[:, at] - offset_RF[train.region_N, at]
            sum_R = np.bincount(train.region_N, departure_N, R)
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


def _no_line(R: int) -> Floats:
    return np.zeros((3, R + 1))


def _fit_lines(
    region_N: Integers, t_N: Floats, y_N: Floats, w_N: Floats, R: int,
    shrinkage: float | None, min_seasons: int,
) -> Floats:  # fmt: skip
    """Level, slope and origin of each region's line, the pooled one last, shape [3, R + 1].

    `shrinkage` None: no slopes, the lines are level.
    """
    line_3R = _no_line(R)
    if not len(y_N):
        return line_3R
    seasons_R = np.bincount(region_N, minlength=R)
    mass_R = np.bincount(region_N, w_N, R)
    seen_R = seasons_R > 0
    safe_R = np.where(seen_R, mass_R, 1.0)
    # sums around one value, so that 2,000 years don't swallow the digits
    t0, y0 = t_N.mean(), y_N.mean()
    origin_R = t0 + np.bincount(region_N, w_N * (t_N - t0), R) / safe_R
    level_R = y0 + np.bincount(region_N, w_N * (y_N - y0), R) / safe_R
    # no BLAS product: how that rounds depends on its number of threads
    pooled_origin = t0 + float((w_N * (t_N - t0)).sum()) / w_N.sum()
    pooled_level = y0 + float((w_N * (y_N - y0)).sum()) / w_N.sum()
    slope_R, pooled_slope = np.zeros(R), 0.0
    if shrinkage is not None:
        dt_N = t_N - origin_R[region_N]
        information_R = np.bincount(region_N, w_N * dt_N**2, R)
        together_R = np.bincount(region_N, w_N * dt_N * (y_N - level_R[region_N]), R)
        if information_R.sum() > 0:
            pooled_slope = together_R.sum() / information_R.sum()
        own_R = (seasons_R >= min_seasons) & (information_R > 0)
        pull = shrinkage * float(np.median(information_R[own_R])) if own_R.any() else 0.0
        shrunk_R = (together_R + pull * pooled_slope) / np.where(own_R, information_R + pull, 1.0)
        slope_R = np.where(own_R, shrunk_R, pooled_slope)
    line_3R[0] = np.append(np.where(seen_R, level_R, pooled_level), pooled_level)
    line_3R[1] = np.append(np.where(seen_R, slope_R, pooled_slope), pooled_slope)
    line_3R[2] = np.append(np.where(seen_R, origin_R, pooled_origin), pooled_origin)
    return line_3R
