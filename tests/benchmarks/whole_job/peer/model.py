"""The model of the peer, as somebody at home in NumPy and scikit-learn writes it: everything on grids.

Departures of yields from regional lines explained by departures of weather by a ridge on z-scores, lines and
weather in turn; rolling origins; conformal intervals. No room of this project is imported.

Shapes: R regions, Y calendar years from the first on, F features, T crops, K predicted seasons.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

# half-life, half-life of the slope, shrinkage to the pooled slope
LINES = ((10.0, 10.0, 1.0), (5.0, 5.0, 1.0), (3.0, 20.0, math.inf))
PLAIN = ((math.inf, math.inf, 0.0),)
ROUNDS, RIDGE_SEASONS, OWN_SEASONS, FEWEST_ROWS = 3, 3.0, 10, 5
LEVELS = (80, 95)
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Grid:
    """All region-seasons: features x_RYF, yields y_TRY (NaN where not known); year `first` lies at 0."""

    first: int
    x_RYF: Array
    y_TRY: Array


@dataclass(frozen=True)
class CropFit:
    """Lines `level + slope · (year - origin)`, the pooled one last [R + 1], and weights of weather."""

    level: Array
    slope: Array
    plain_level: Array
    plain_slope: Array
    bias: float
    weight_F: Array


@dataclass(frozen=True)
class Fit:
    """What was learned from all seasons up to and with `origin`; None of crops with too few rows."""

    origin: int
    seen_R: Array
    mean_RF: Array
    pooled_F: Array
    crops: list[CropFit | None]

    def baseline(self, at: int, region: Array, year: Array | int) -> Array:
        """The line of each region; -1 takes the pooled one."""
        crop = self._of(at)
        return np.asarray(crop.level[region] + crop.slope[region] * (year - self.origin))

    def trend(self, at: int, region: Array, year: Array | int) -> Array:
        """The plain line of each region."""
        crop = self._of(at)
        return np.asarray(crop.plain_level[region] + crop.plain_slope[region] * (year - self.origin))

    def predict(self, at: int, region: Array, year: Array | int, x_NF: Array) -> Array:
        """Yields of some rows by the model."""
        crop = self._of(at)
        usual_NF = np.vstack((self.mean_RF, self.pooled_F))[region]
        return np.asarray(self.baseline(at, region, year) + crop.bias + (x_NF - usual_NF) @ crop.weight_F)

    def _of(self, at: int) -> CropFit:
        found = self.crops[at]
        if found is None:
            raise ValueError(f"crop {at} has too few rows up to {self.origin}")
        return found


def fit(grid: Grid, origin: int) -> Fit:
    """Fit all crops on the seasons up to and with a year."""
    end = origin - grid.first + 1
    y_TRY, x_RYF = grid.y_TRY[:, :, :end], grid.x_RYF[:, :end]
    used_RY = np.asarray(np.isfinite(y_TRY).any(axis=0))
    rows_R = used_RY.sum(axis=1)
    x_RYF = np.where(used_RY[:, :, None], x_RYF, 0.0)
    sum_RF = x_RYF.sum(axis=1)
    pooled_F = sum_RF.sum(axis=0) / rows_R.sum()
    mean_RF = np.where(rows_R[:, None] > 0, sum_RF / np.maximum(rows_R, 1)[:, None], pooled_F)
    x_RYF = x_RYF - mean_RF[:, None]
    scale_F = x_RYF[used_RY].std(axis=0)
    scale_F[scale_F == 0] = 1.0  # one season alone departs from nothing
    z_RYF = x_RYF / scale_F
    crops: list[CropFit | None] = []
    for y_RY in y_TRY:
        known_RY = np.isfinite(y_RY)
        if known_RY.sum() < FEWEST_ROWS:
            crops.append(None)
            continue
        yield_RY, z_NF = np.where(known_RY, y_RY, 0.0), z_RYF[known_RY]
        ridge = Ridge(alpha=RIDGE_SEASONS * np.count_nonzero(known_RY.any(axis=1)))
        weather_RY: Array | float = 0.0
        for _ in range(ROUNDS):
            level, slope = draw_lines(yield_RY - weather_RY, known_RY, LINES)
            line_RY = level[:-1, None] + slope[:-1, None] * np.arange(1 - end, 1)
            ridge.fit(z_NF, (yield_RY - line_RY)[known_RY])
            weather_RY = z_RYF @ ridge.coef_
        plain = draw_lines(yield_RY, known_RY, PLAIN)
        crops.append(CropFit(level, slope, *plain, float(ridge.intercept_), ridge.coef_ / scale_F))
    return Fit(origin, rows_R > 0, mean_RF, pooled_F, crops)


def draw_lines(
    y_RY: Array, known_RY: Array, lines: Iterable[tuple[float, float, float]]
) -> tuple[Array, Array]:
    """The average of a few weighted lines through each region's yields: value in the last year, and slope.

    The pooled line stands last [R + 1]; regions of few seasons take its slope, those without any all of it.
    """
    years = np.arange(1 - y_RY.shape[1], 1.0)
    known = known_RY.astype(np.float64)
    middle = y_RY[known_RY].mean()
    around_RY = (y_RY - middle) * known
    seasons_R = known_RY.sum(axis=1)
    levels, slopes = [], []
    for half_life, slope_half_life, shrinkage in lines:
        mass, level, place = _means(known, around_RY, years, 2 ** (years / half_life))
        at_level, at_place = level, place
        weight_Y = 2 ** (years / slope_half_life)
        if slope_half_life != half_life:
            mass, at_level, at_place = _means(known, around_RY, years, weight_Y)
        information_R = known @ (weight_Y * years**2) - mass * at_place[:-1] ** 2
        together_R = around_RY @ (weight_Y * years) - mass * at_place[:-1] * at_level[:-1]
        pooled = together_R.sum() / information_R.sum() if information_R.sum() > 0 else 0.0
        own_R = (seasons_R >= OWN_SEASONS) & (information_R > 0)
        slope = np.full(len(mass) + 1, pooled)
        if own_R.any() and math.isfinite(shrinkage):
            pull = shrinkage * np.median(information_R[own_R])
            shrunk_R = (together_R + pull * pooled) / np.where(own_R, information_R + pull, 1.0)
            slope[:-1] = np.where(own_R, shrunk_R, pooled)
        slopes.append(slope)
        levels.append(level - slope * place)
    return np.mean(levels, axis=0) + middle, np.mean(slopes, axis=0)


def _means(known: Array, around_RY: Array, years: Array, weight_Y: Array) -> tuple[Array, Array, Array]:
    """Mass of each region; weighted means of its yields and years, the pooled ones last."""
    mass, values, places = known @ weight_Y, around_RY @ weight_Y, known @ (weight_Y * years)
    safe = np.where(mass > 0, mass, 1.0)
    level, place = values.sum() / mass.sum(), places.sum() / mass.sum()
    return (
        mass,
        np.append(np.where(mass > 0, values / safe, level), level),
        np.append(np.where(mass > 0, places / safe, place), place),
    )


@dataclass(frozen=True)
class Widths:
    """Half-widths of one crop by level: `factor` times `scale_R`; `unseen` where the region is not known."""

    scale_R: Array
    factor: Mapping[int, float]
    unseen: Mapping[int, float]


@dataclass(frozen=True)
class Calibration:
    """What predicting each of the last seasons from those before it has taught, for each crop.

    `widths_T` are by lead, around the model and around the plain trend. `errors` are the model's [R], of
    (crop, season, lead).
    """

    widths_T: list[dict[int, tuple[Widths, Widths]]]
    errors: dict[tuple[int, int, int], Array]


def calibrate(
    grid: Grid, fits: Mapping[int, Fit], last: int, leads: Iterable[int], seasons: int
) -> Calibration:
    """Each of the last `seasons` seasons up to `last` predicted from those up to a lead before it."""
    R, first = len(grid.x_RYF), grid.first
    everywhere, nowhere = np.arange(R), np.full(R, -1)
    used_Y = np.isfinite(grid.y_TRY).any(axis=(0, 1))
    wanted = [int(year) for year in first + np.flatnonzero(used_Y) if year <= last][1:][-seasons:]
    found = Calibration([], {})
    for at, y_RY in enumerate(grid.y_TRY):
        by_lead = {}
        for lead in leads:
            model, trend, unseen = [], [], []
            for season in wanted:
                of = fits.get(season - lead)
                if of is None or of.crops[at] is None:
                    continue
                x_RF, y_R = grid.x_RYF[:, season - first], y_RY[:, season - first]
                region = np.where(of.seen_R, everywhere, -1)
                error_R = y_R - of.predict(at, region, season, x_RF)
                found.errors[at, season, lead] = error_R
                model.append(error_R)
                trend.append(y_R - of.trend(at, region, season))
                unseen.append(y_R - of.predict(at, nowhere, season, x_RF))
            around, alone = widths(np.array(model)), widths(np.array(unseen), one_region=True)
            by_lead[lead] = (Widths(around.scale_R, around.factor, alone.unseen), widths(np.array(trend)))
        found.widths_T.append(by_lead)
    return found


def origins(grid: Grid, last: int, leads: Iterable[int], seasons: int) -> set[int]:
    """The years that `calibrate` needs fits of."""
    used = grid.first + np.flatnonzero(np.isfinite(grid.y_TRY).any(axis=(0, 1)))
    wanted = used[used <= last][1:][-seasons:]
    return {int(season - lead) for season in wanted for lead in leads if season - lead >= used[0]}


def widths(error_KR: Array, one_region: bool = False) -> Widths:
    """Locally weighted conformal half-widths with the season as the unit, from errors (NaN: none)."""
    error_KR = error_KR[np.isfinite(error_KR).any(axis=1)]
    square_KR, row_KR = np.nan_to_num(error_KR) ** 2, np.isfinite(error_KR).astype(np.float64)
    if one_region:
        square_KR, row_KR = square_KR.sum(axis=1, keepdims=True), row_KR.sum(axis=1, keepdims=True)
    scale_R, middle = _scale(square_KR.sum(axis=0), row_KR.sum(axis=0))
    sizes = []
    for square_R, row_R, error_R in zip(square_KR, row_KR, error_KR, strict=True):
        others_R, _ = _scale(square_KR.sum(axis=0) - square_R, row_KR.sum(axis=0) - row_R)
        size_R = np.abs(error_R) / np.maximum(others_R, 1e-6 * middle)
        sizes.append(np.sort(size_R[np.isfinite(size_R)]))
    factor = {level: _quantile(sizes, level) for level in LEVELS if len(sizes) >= level / (100 - level)}
    return Widths(scale_R, factor, {level: found * middle for level, found in factor.items()})


def _scale(square_R: Array, row_R: Array) -> tuple[Array, float]:
    """The usual size of an error in each region, shrunk toward the middle of all."""
    seen_R = row_R > 0
    least = 1e-12 * square_R.sum() / row_R.sum()
    log_R = np.log(np.maximum(square_R / np.maximum(row_R, 1), least)) / 2 * seen_R
    middle = log_R[seen_R].mean()
    return np.exp((row_R * log_R + OWN_SEASONS * middle) / (row_R + OWN_SEASONS)), math.exp(middle)


def _quantile(sizes: list[Array], level: int) -> float:
    """The least size within which the seasons' shares, the smallest of them twice, come to the level."""
    needed = level * (len(sizes) + 1) / 100 - 1e-9 * len(sizes)

    def within(size: float) -> float:
        shares = [np.searchsorted(each, size, side="right") / len(each) for each in sizes]
        return float(sum(shares) + min(shares))

    candidates = np.sort(np.concatenate(sizes))
    return float(candidates[bisect_left(candidates, needed, key=within)])
