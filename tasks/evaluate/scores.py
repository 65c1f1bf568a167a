"""Scores of predictions: errors, skill, intervals, and their mean over crops.

Shapes: E entries (a region, season and crop), G groups of entries, T crops, S seasons, D draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from data.contracts.season_table import Floats, Integers
from data.contracts.vocabulary import LEVELS, NAIVE_BASELINES
from tasks.evaluate.hindcast import Hindcast

_Total = Callable[[Floats], Floats]  # sum of an array [E] over the entries of each cell [G, T]

_ROUNDING = 1e-12
_DRAWS = 2000
_FEWEST_SEASONS = 3
_SEED = 0  # part of the definition: the same hindcast always has the same interval


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of groups of entries: `crops` holds arrays [G, T], `pooled` the mean over crops [G].

    Keys of both: rows, mse, rmse, mae, bias, r2, skill, mse_BASELINE, and for each level coverage_L,
    width_L, interval_score_L and, for the intervals around the naive regional trend,
    trend_coverage_L, trend_width_L, trend_interval_score_L. A number that can't be had is NaN.
    """

    crops: Mapping[str, Floats]
    pooled: Mapping[str, Floats]


def score(harvested: Hindcast, group_E: Integers, groups: int) -> Scores:
    """Score entries whose harvest is known, group by group.

    Pooled figures are means over the crops that the group has, but for: rows (region-seasons), rmse
    (the root of the pooled mse), r2 (1 - ΣSSE / Σ within-crop SST) and skill, which is 1 - MSE / MSE
    of the best naive baseline on the same rows, pooled like with like. The interval score is Gneiting
    and Raftery's (2007, eq. 43), smaller is better.
    """
    shape = (groups, len(harvested.crops))
    cell_E = group_E * shape[1] + harvested.crop_E

    def total(values_E: Floats) -> Floats:
        sums = np.bincount(cell_E, values_E, minlength=shape[0] * shape[1])
        return np.asarray(sums.reshape(shape), dtype=np.float64)

    error_E = _error(harvested.predicted_E, harvested.actual_E)
    rows, sse = total(np.ones(len(error_E))), total(error_E**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        sst = _within(harvested.actual_E, cell_E, total, rows)
        crops = {
            "mse": sse / rows,
            "mae": total(np.abs(error_E)) / rows,
            "bias": total(error_E) / rows,
        }
        for name in NAIVE_BASELINES:
            if name in harvested.naive:
                crops[f"mse_{name}"] = total(_error(harvested.naive[name], harvested.actual_E) ** 2) / rows
            else:
                crops[f"mse_{name}"] = np.full(shape, np.nan)
        for level in LEVELS:
            actual_E = harvested.actual_E
            crops |= _intervals("", level, harvested.interval(level), actual_E, total)
            if "region_trend" in harvested.naive:
                crops |= _intervals("trend_", level, harvested.trend_interval(level), actual_E, total)
        pooled = {key: _over_crops(values, rows) for key, values in crops.items()}
        for figures in (crops, pooled):
            figures["rmse"] = np.sqrt(figures["mse"])
            figures["skill"] = _skill(figures)
        crops["r2"] = _r2(sse, sst)
        pooled["r2"] = _r2(sse.sum(1), sst.sum(1))
    crops["rows"] = rows
    pooled["rows"] = _region_seasons(harvested, group_E, groups)
    return Scores(crops, pooled)


def skill_intervals(harvested: Hindcast) -> tuple[Floats, Floats]:
    """95 % percentile bootstrap of the skill, resampling whole seasons: [T, 2] for crops, [2] pooled.

    Rows of one season share its weather, so seasons are the independent unit. Every draw picks its
    own best baseline, as the skill itself does. NaN with fewer than three seasons; with few the
    interval is too narrow, as the bootstrap's always is.
    """
    _, season_E = np.unique(harvested.year_E, return_inverse=True)
    seasons = int(season_E.max(initial=-1)) + 1
    scores = score(harvested, season_E, seasons)
    rows_ST = scores.crops["rows"]
    with np.errstate(invalid="ignore"):
        keys = ("mse", *(f"mse_{name}" for name in NAIVE_BASELINES))
        sse_KST = np.stack([np.where(rows_ST > 0, scores.crops[key] * rows_ST, 0.0) for key in keys])
    crops_T2 = np.full((rows_ST.shape[1], 2), np.nan)
    for at in range(rows_ST.shape[1]):
        observed_S = rows_ST[:, at] > 0
        crops_T2[at] = _bootstrap(rows_ST[observed_S, at : at + 1], sse_KST[:, observed_S, at : at + 1])
    return crops_T2, _bootstrap(rows_ST, sse_KST)


def _bootstrap(rows_ST: Floats, sse_KST: Floats) -> Floats:
    seasons = len(rows_ST)
    if seasons < _FEWEST_SEASONS:
        return np.full(2, np.nan)
    draws_DS = np.random.default_rng(_SEED).multinomial(seasons, np.full(seasons, 1 / seasons), _DRAWS)
    rows_DT = draws_DS @ rows_ST
    with np.errstate(invalid="ignore", divide="ignore"):
        mse_KD = np.stack([_over_crops(draws_DS @ sse_ST / rows_DT, rows_DT) for sse_ST in sse_KST])
        keys = ("mse", *(f"mse_{name}" for name in NAIVE_BASELINES))
        skill_D = _skill(dict(zip(keys, mse_KD, strict=True)))
    skill_D = skill_D[np.isfinite(skill_D)]
    return np.quantile(skill_D, [0.025, 0.975]) if len(skill_D) else np.full(2, np.nan)


def _error(predicted_E: Floats, actual_E: Floats) -> Floats:
    error_E = predicted_E - actual_E
    # the mean of equal yields is off by rounding, which is no error that a skill could be against
    return np.where(np.abs(error_E) <= _ROUNDING * np.abs(actual_E), 0.0, error_E)


def _within(actual_E: Floats, cell_E: Integers, total: _Total, rows: Floats) -> Floats:
    """Sum of squares around each cell's mean; exactly 0 where all values are equal."""
    first_E = np.zeros(rows.size)
    first_E[cell_E[::-1]] = actual_E[::-1]  # the last assignment wins, hence reversed
    shifted_E = actual_E - first_E[cell_E]
    mean = (total(shifted_E) / rows).ravel()
    return total((shifted_E - mean[cell_E]) ** 2)


def _intervals(
    prefix: str, level: int, ends: tuple[Floats, Floats], actual_E: Floats, total: _Total
) -> dict[str, Floats]:
    has_E = np.isfinite(ends[0])
    lower_E, upper_E = (np.where(has_E, end_E, actual_E) for end_E in ends)
    count = total(has_E.astype(np.float64))
    miss_E = np.maximum(_error(lower_E, actual_E), -_error(upper_E, actual_E)).clip(min=0.0)
    penalty = 2 / (1 - level / 100)
    return {
        f"{prefix}coverage_{level}": total((has_E & (miss_E == 0)).astype(np.float64)) / count,
        f"{prefix}width_{level}": total(upper_E - lower_E) / count,
        f"{prefix}interval_score_{level}": total(upper_E - lower_E + penalty * miss_E) / count,
    }


def _over_crops(values_GT: Floats, rows_GT: Floats) -> Floats:
    """Mean over the crops that a group has; NaN where one of these has no number."""
    observed = rows_GT > 0
    return np.asarray(np.where(observed, values_GT, 0.0).sum(1) / observed.sum(1))


def _skill(figures: Mapping[str, Floats]) -> Floats:
    naive = np.stack([figures[f"mse_{name}"] for name in NAIVE_BASELINES])
    best = np.min(np.where(np.isnan(naive), np.inf, naive), axis=0)
    usable = np.isfinite(best) & (best > 0)
    return np.where(usable, 1 - figures["mse"] / np.where(usable, best, 1.0), np.nan)


def _r2(sse: Floats, sst: Floats) -> Floats:
    return np.where(sst > 0, 1 - sse / np.where(sst > 0, sst, 1.0), np.nan)


def _region_seasons(harvested: Hindcast, group_E: Integers, groups: int) -> Floats:
    keys = np.stack([group_E, harvested.region_E, harvested.year_E])
    order = np.lexsort(keys)
    keys = keys[:, order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    return np.bincount(keys[0, first], minlength=groups).astype(np.float64)
