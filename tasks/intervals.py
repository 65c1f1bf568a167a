"""How uncertain a prediction is: prediction intervals from residuals of seasons that were not yet known.

Shapes: N rows of a SeasonTable, E residuals, T crops.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from data.seasons import Floats, SeasonTable
from data.settings import Settings
from tasks.naive import region_trend
from tasks.train import fit_exact

LEVELS = (80, 95)


class Predictor(Protocol):
    """What calibration needs of a fitted model: yields [N, T] of the crops it was fitted to."""

    def predict(self, table: SeasonTable) -> Floats: ...


Fit = Callable[[SeasonTable, Settings, str], Predictor]


@dataclass(frozen=True)
class Calibration:
    """Half the width of the prediction intervals of each crop, in the crop's unit.

    `half_width` and `trend_half_width` (around the naive regional trend) map (level, crop) to a
    width; where there is none, `absent` maps it to a sentence why. `seasons` counts, for each crop,
    the seasons that were predicted from those before them.
    """

    seasons: Mapping[str, int]
    half_width: Mapping[tuple[int, str], float]
    trend_half_width: Mapping[tuple[int, str], float]
    absent: Mapping[tuple[int, str], str]

    def widths(self, level: int, crops: tuple[str, ...]) -> Floats:
        """Half-widths of the model's interval [T]; NaN where there is none."""
        return np.array([self.half_width.get((level, crop), np.nan) for crop in crops])

    def trend_widths(self, level: int, crops: tuple[str, ...]) -> Floats:
        """Half-widths of the interval around the naive regional trend [T]; NaN where there is none."""
        return np.array([self.trend_half_width.get((level, crop), np.nan) for crop in crops])

    def sentences(self) -> tuple[str, ...]:
        """Why intervals are missing, a sentence for each; empty when none is."""
        return tuple(self.absent.values())


def calibrate(train: SeasonTable, settings: Settings, as_of: str, fit: Fit = fit_exact) -> Calibration:
    """Intervals for a model that is trained on `train`, by rolling origin within it.

    Each of the last `calibration_seasons` seasons of `train` is predicted by a model of the seasons
    before it; see `half_width` for what becomes of the residuals. Nothing but `train` is looked at.
    """
    wanted = np.unique(train.year_N)[1:]
    wanted = wanted[max(0, len(wanted) - settings.split.calibration_seasons) :]
    residuals = [rolling_residuals(train, int(season), settings, as_of, fit) for season in wanted]
    seasons: dict[str, int] = {}
    widths: dict[tuple[int, str], float] = {}
    trend_widths: dict[tuple[int, str], float] = {}
    absent: dict[tuple[int, str], str] = {}
    for at, crop in enumerate(train.crops):
        of_model, of_trend = ([pair[which][:, at] for pair in residuals] for which in (0, 1))
        seasons[crop] = sum(bool(np.isfinite(each).any()) for each in of_model)
        for level in LEVELS:
            width = half_width(of_model, level)
            if width is None:
                absent[level, crop] = _why_absent(crop, level, seasons[crop], settings)
            else:
                widths[level, crop] = width
            trend_width = half_width(of_trend, level)
            if trend_width is not None:
                trend_widths[level, crop] = trend_width
    return Calibration(seasons, widths, trend_widths, absent)


def half_width(residuals: list[Floats], level: int) -> float | None:
    """Half the width of the `level` % interval from residuals of K seasons, an array for each.

    Split conformal prediction with the season as the unit: a season's rows share the weight 1/(K+1)
    and the season to come has the rest, at infinity; the half-width is the smallest |residual| within
    which at least `level` % of all weight lies (Lee, Barber and Willett 2023, "Distribution-free
    inference with hierarchical data", HCP). Coverage of a season like the others is then at least
    `level` %, and more the more its rows differ from one another. None when K seasons are too few.
    NaNs don't count.
    """
    sizes = [np.abs(each[np.isfinite(each)]) for each in residuals]
    sizes = [each for each in sizes if len(each)]
    needed = level * (len(sizes) + 1) / 100
    if len(sizes) < seasons_needed(level):
        return None
    size_E = np.concatenate(sizes)
    weight_E = np.concatenate([np.full(len(each), 1 / len(each)) for each in sizes])
    order = np.argsort(size_E, kind="stable")
    reached = np.cumsum(weight_E[order])
    # weights such as 1/3 sum to a little less than 1, which must not push the quantile a row up
    at = int(np.searchsorted(reached, needed - 1e-9 * len(sizes)))
    return float(size_E[order[min(at, len(order) - 1)]])


def seasons_needed(level: int) -> int:
    """Fewest seasons K with K/(K+1) at least `level` %: 4 for 80 %, 19 for 95 %."""
    return math.ceil(level / (100 - level))


def rolling_residuals(
    train: SeasonTable, season: int, settings: Settings, as_of: str, fit: Fit = fit_exact
) -> tuple[Floats, Floats]:
    """Residuals [n, T] of one season predicted from those before it, by the model and by the naive trend.

    In the crops' units, in the order of the season's rows; NaN where there is none.
    """
    before, rows = train.take(train.year_N < season), train.take(train.year_N == season)
    residual_NT = np.full_like(rows.y_NT, np.nan)
    trend_residual_NT = residual_NT.copy()
    at_T = learnable(before)
    if at_T:
        learned, asked = of_crops(before, at_T), of_crops(rows, at_T)
        residual_NT[:, at_T] = asked.y_NT - fit(learned, settings, as_of).predict(asked)
        trend_residual_NT[:, at_T] = asked.y_NT - region_trend(learned, asked)
    return residual_NT, trend_residual_NT


def learnable(train: SeasonTable) -> list[int]:
    """Positions of the crops with more rows than coefficients, those that a model can be fitted for."""
    rows_T = np.isfinite(train.y_NT).sum(axis=0)
    return [int(at) for at in np.flatnonzero(rows_T > len(train.features) + 1)]


def of_crops(table: SeasonTable, at_T: list[int]) -> SeasonTable:
    """The table with some of its crops."""
    if len(at_T) == len(table.crops):
        return table
    return replace(table, crops=tuple(table.crops[at] for at in at_T), y_NT=table.y_NT[:, at_T])


def _why_absent(crop: str, level: int, seasons: int, settings: Settings) -> str:
    needed = seasons_needed(level)
    allowed = settings.split.calibration_seasons
    remedy = (
        f"; split.calibration_seasons is {allowed}, set it to {needed} or more" if allowed < needed else ""
    )
    return (
        f"{crop}: no {level} % interval, which takes {needed} training seasons that can be predicted "
        f"from those before them; there are {seasons}{remedy}"
    )
