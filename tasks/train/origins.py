"""Rolling origins in one pass: the exact fit of the seasons up to each of many origins, from sums that grow.

What a fit needs of its rows are sums by region; a season more adds to them, so that all origins together cost
little more than one. It is the model of `fit.fit_exact` in other arithmetic.

Shapes: N rows, E rows of one season, X columns (the features, then the squares of some), V = 1 + X values (a
crop's yield, then the columns), R regions, R1 with the pooled one last, T crops.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from data.contracts.season_table import Floats, Integers, SeasonTable
from data.settings.expand import fewest_rows
from data.settings.schema import Settings, TrendLine
from tasks.normalise.baseline import PLAIN_SEASONS, PLAIN_TREND
from tasks.normalise.threads import one_thread
from tasks.train.decaying_sums import DecayingSums, average_line
from tasks.train.origin_sums import Climate, Rows, departed, product

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Ahead:
    """One season predicted from an origin [E, T], in the crops' units; NaN where there is no prediction.

    By the model, by the model as if it had not seen the regions, and by the naive regional trend.
    """

    model_ET: Floats
    unseen_ET: Floats
    trend_ET: Floats


@one_thread()
def predict_ahead(
    table: SeasonTable, settings: Settings, wanted: Mapping[int, Collection[int]]
) -> dict[tuple[int, int], Ahead]:
    """Predictions of seasons by exact fits of all rows up to an origin, by (origin, season).

    `wanted` names the seasons that are asked of each origin. A crop with fewer than `fewest_rows` up to an
    origin isn't predicted from it. Each region has one row in a season.
    """
    if not wanted:
        return {}
    fewest = fewest_rows(settings, table.features)
    rows = Rows.of(table, settings, min(wanted))
    climate = Climate(rows)
    crops = [_Crop(rows, settings, table.y_NT[:, at]) for at in range(len(table.crops))]
    order_N = np.argsort(table.year_N, kind="stable")
    years, first = np.unique(table.year_N[order_N], return_index=True)
    of_season = dict(zip(years.tolist(), np.split(order_N, first[1:]), strict=True))
    found = {}
    for year in sorted({*of_season, *wanted}):
        if (season_E := of_season.get(year)) is not None:
            climate.add(season_E)
            for crop in crops:
                crop.add(season_E)
        asked = {season: of_season.get(season, order_N[:0]) for season in wanted.get(year, ())}
        if not asked:
            continue
        scores = climate.z_scores()
        fits = [(at, crop.fit(year, climate, scores)) for at, crop in enumerate(crops) if crop.rows >= fewest]
        for season, rows_E in asked.items():
            ahead = Ahead(*(np.full((len(rows_E), len(crops)), np.nan) for _ in range(3)))
            for at, fit in fits:
                ahead.model_ET[:, at] = fit.predict(rows, rows_E)
                ahead.unseen_ET[:, at] = fit.predict(rows, rows_E, unseen=True)
                ahead.trend_ET[:, at] = fit.trend(rows, rows_E)
            found[year, season] = ahead
    return found


@dataclass(frozen=True, eq=False)
class _Fit:
    """One crop's model at an origin: a line by region, plus weights of departures from the climatology.

    Beside it the naive regional trend, `plain`.
    """

    origin: int
    at_R1: Floats
    slope_R1: Floats
    weight_X: Floats
    mean_RX: Floats
    pooled_X: Floats
    plain_R1: Floats
    plain_slope_R1: Floats

    def trend(self, rows: Rows, season_E: Integers) -> Floats:
        """Yields of some rows [E] by the naive regional trend."""
        region_E, ahead_E = rows.region_N[season_E], rows.year_N[season_E] - self.origin
        return np.asarray(self.plain_R1[region_E] + self.plain_slope_R1[region_E] * ahead_E)

    def predict(self, rows: Rows, season_E: Integers, unseen: bool = False) -> Floats:
        """Yields of some rows [E]; `unseen`: as if their regions weren't known."""
        region_E, x_EX = rows.region_N[season_E], rows.x_NX[season_E]
        line_E = np.full(len(season_E), -1) if unseen else region_E
        if rows.departs:
            mean_RX = self.pooled_X - rows.shift_RX if unseen else self.mean_RX
            x_EX = x_EX - mean_RX[region_E]
        ahead_E = rows.year_N[season_E] - self.origin
        weather_E = product(x_EX, self.weight_X[:, None])[:, 0]
        return np.asarray(self.at_R1[line_E] + self.slope_R1[line_E] * ahead_E + weather_E)


class _Crop:
    """Sums over the rows of one crop so far; t counts years from the first origin."""

    def __init__(self, rows: Rows, settings: Settings, y_N: Floats) -> None:
        R, X = rows.shift_RX.shape
        self.all, self.settings, self.y_N = rows, settings, y_N
        known_N = np.isfinite(y_N) & (rows.year_N <= rows.first)
        self.middle = float(y_N[known_N].mean()) if known_N.any() else 0.0
        self.rows_R, self.t_R, self.y_R = np.zeros(R), np.zeros(R), np.zeros(R)
        self.x_RX, self.xt_RX = np.zeros((R, X)), np.zeros((R, X))
        self.xx_XX, self.xy_X = np.zeros((X, X)), np.zeros(X)
        self.lines = settings.trend if settings.baseline == "trend" else ()
        if settings.baseline == "mean":
            self.lines = (TrendLine(half_life=math.inf),)
        lives = {life for line in self.lines for life in (line.half_life, line.slope_half_life) if life}
        self.sums = {life: DecayingSums(life, R, 1 + X) for life in lives}
        self.plain = DecayingSums(PLAIN_TREND.half_life, R, 1)

    @property
    def rows(self) -> int:
        """How many there are so far."""
        return int(self.rows_R.sum())

    def add(self, season_E: Integers) -> None:
        season_E = season_E[np.isfinite(self.y_N[season_E])]
        if not len(season_E):
            return
        year = int(self.all.year_N[season_E[0]])
        region_E, x_EX, y_E = self.all.region_N[season_E], self.all.x_NX[season_E], self.y_N[season_E]
        y_E = y_E - self.middle
        self.rows_R[region_E] += 1
        self.t_R[region_E] += year - self.all.first
        self.y_R[region_E] += y_E
        self.x_RX[region_E] += x_EX
        self.xt_RX[region_E] += (year - self.all.first) * x_EX
        self.xx_XX += product(x_EX.T, x_EX)
        self.xy_X += product(x_EX.T, y_E[:, None])[:, 0]
        value_EV = np.column_stack((y_E, x_EX))
        for sums in self.sums.values():
            sums.add(region_E, year, value_EV)
        self.plain.add(region_E, year, y_E[:, None])

    def fit(self, origin: int, climate: Climate, score_XP: Floats) -> _Fit:
        """The model of the rows so far: `rounds` of w_r = w_1 + G⁻¹XᵀSX w_{r-1}, S drawing the lines.

        X are departures about their mean, G their products plus the ridge on z-scores.
        """
        rows, mean_RX = float(self.rows), climate.means()
        apart_RX = self.x_RX - self.rows_R[:, None] * mean_RX
        apart_t_RX = self.xt_RX - self.t_R[:, None] * mean_RX
        middle_X = apart_RX.sum(axis=0) / rows
        gram_XX = departed(self.xx_XX, self.x_RX, apart_RX, mean_RX) / rows - np.outer(middle_X, middle_X)
        at_R1V, slope_R1V = self._draw(origin, mean_RX)
        # lines as values at t = 0, then S of yields and columns: its sums over rows, and against the columns
        zero_RV = (at_R1V + slope_R1V * (self.all.first - origin))[:-1]
        slope_RV = slope_R1V[:-1]
        line_V = (self.rows_R[:, None] * zero_RV + self.t_R[:, None] * slope_RV).sum(axis=0) / rows
        cross_XV = (product(apart_RX.T, zero_RV) + product(apart_t_RX.T, slope_RV)) / rows
        cross_XV -= np.outer(middle_X, line_V)
        level = float(self.y_R.sum()) / rows
        target_X = (self.xy_X - (self.y_R[:, None] * mean_RX).sum(axis=0)) / rows - middle_X * level
        ridge = self.settings.training.ridge_seasons * np.count_nonzero(self.rows_R) / rows
        solve_XX = _inverse(gram_XX, score_XP, ridge)
        before_X = weight_X = np.zeros(len(target_X))
        for _ in range(self.settings.rounds if self.lines else 1):
            before_X = weight_X
            residual_X = target_X - cross_XV[:, 0] + (cross_XV[:, 1:] * before_X).sum(axis=1)
            weight_X = product(solve_XX, residual_X[:, None])[:, 0]
        taken_V = np.append(1.0, -before_X)
        bias = level - float((line_V * taken_V).sum()) - float((middle_X * weight_X).sum())
        at_R1, slope_R1 = (at_R1V * taken_V).sum(axis=1), (slope_R1V * taken_V).sum(axis=1)
        plain = average_line(
            [PLAIN_TREND], {PLAIN_TREND.half_life: self.plain}, origin,
            self.rows_R >= PLAIN_SEASONS, np.zeros((len(mean_RX), 1)),
        )  # fmt: skip
        return _Fit(
            origin, at_R1 + bias + self.middle, slope_R1, weight_X, mean_RX, climate.pooled(),
            plain[0][:, 0] + self.middle, plain[1][:, 0],
        )  # fmt: skip

    def _draw(self, origin: int, mean_RX: Floats) -> tuple[Floats, Floats]:
        """Lines through yields and departures, at the origin, and their slopes [R1, V]."""
        if not self.lines:
            nothing = np.zeros((len(mean_RX) + 1, 1 + mean_RX.shape[1]))
            return nothing, nothing
        centre_RV = np.column_stack((np.zeros(len(mean_RX)), mean_RX))
        if self.settings.baseline == "mean":
            level_R1V, _ = self.sums[math.inf].levels(origin, centre_RV)
            return level_R1V, np.zeros_like(level_R1V)
        own_R = self.rows_R >= self.settings.min_trend_seasons
        return average_line(self.lines, self.sums, origin, own_R, centre_RV)


def _inverse(gram_XX: Floats, score_XP: Floats, ridge: float) -> Floats:
    """Inverse of gram + ridge on z-scores [X, X]; nothing along directions that neither fixes."""
    gram_PP = torch.from_numpy(product(score_XP.T, product(gram_XX, score_XP)))
    values, vectors = torch.linalg.eigh(
        (gram_PP + gram_PP.T) / 2 + ridge * torch.eye(len(gram_PP), dtype=torch.float64)
    )
    floor = values.max() * (_EPS * 64 * len(values)) if len(values) else 0.0
    scaled = torch.where(values > floor, 1 / values.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
    inverse_PP = ((vectors * scaled) @ vectors.T).numpy()
    return product(score_XP, product(inverse_PP, score_XP.T))
