"""Scores of predictions: errors, skill, intervals, and their mean over crops.

Shapes: E entries (a region, season and crop), S seasons, T crops, K figures, D draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from data.contracts.season_table import Floats
from data.contracts.vocabulary import LEVELS, NAIVE_BASELINES, SplitName
from tasks.evaluate.hindcast import Hindcast

_NAIVE = [f"mse_{name}" for name in NAIVE_BASELINES]
FOR_SKILL = ["year", "crop", "mse", *_NAIVE]
"""What `skill_intervals` looks at."""
INTERVAL_FIGURES = ("coverage", "width", "interval_score")
_ROUNDING = 1e-12
_DRAWS = 2000
_FEWEST_SEASONS = 3
_SEED = 0  # part of the definition: the same hindcast always has the same interval


def entries_of(harvested: Hindcast) -> pd.DataFrame:
    """A row for each entry: its split, region, year and crop, the harvest, and what it adds to each score.

    Of these every one is a mean over entries: mse, mae, bias, mse_BASELINE, and for each level
    coverage_L, width_L, interval_score_L (Gneiting and Raftery 2007, eq. 43, smaller is better) and
    the same with trend_ for the intervals around the naive regional trend. NaN where there is none.
    """
    around = ["", "trend_"] if "region_trend" in harvested.naive else [""]
    names = ["actual", "mse", "mae", "bias", *_NAIVE]
    names += [
        f"{prefix}{figure}_{level}" for prefix in around for level in LEVELS for figure in INTERVAL_FIGURES
    ]
    value_KE = np.empty((len(names), len(harvested)))  # one block, which pandas would gather from columns
    for value_E, figure_E in zip(value_KE, _figures(harvested, around), strict=True):
        value_E[:] = figure_E
    entries = pd.DataFrame(value_KE.T, columns=names, copy=False)
    regions, crops = pd.Index(harvested.region_names), pd.Index(harvested.crops)
    return entries.assign(
        split=pd.Categorical(harvested.split_E, list(map(str, SplitName))),
        region=pd.Categorical.from_codes(harvested.region_E, regions),
        year=harvested.year_E,
        crop=pd.Categorical.from_codes(harvested.crop_E, crops),
    )


def _figures(harvested: Hindcast, around: Sequence[str]) -> Iterator[Floats]:
    """The harvest and the figures of `entries_of`, one after the other."""
    actual_E = harvested.actual_E
    error_E = _error(harvested.predicted_E, actual_E)
    yield from (actual_E, error_E**2, np.abs(error_E), error_E)
    for name in NAIVE_BASELINES:
        yield _error(harvested.naive.get(name, np.nan), actual_E) ** 2
    for prefix in around:
        for level in LEVELS:
            low_E, high_E = (harvested.trend_interval if prefix else harvested.interval)(level)
            with np.errstate(invalid="ignore"):
                miss_E = np.maximum(low_E - actual_E, 0.0) + np.maximum(actual_E - high_E, 0.0)
            yield np.where(np.isnan(miss_E), np.nan, miss_E == 0)
            yield high_E - low_E
            yield high_E - low_E + miss_E * 2 / (1 - level / 100)


def score(entries: pd.DataFrame, by: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of groups of entries, `by` some of their columns: of each crop in a group, and of the group.

    A group's are means over the crops that it has, but for: rows (region-seasons), rmse (the root of
    the mean mse), r2 (1 - ΣSSE / Σ within-crop SST) and skill, which is 1 - MSE / MSE of the best
    naive baseline on the same rows, like with like. A number that can't be had is NaN.
    """
    grouped = entries.groupby([*by, "crop"], observed=True)
    crops = grouped.mean(numeric_only=True).drop(columns=["actual", "year"], errors="ignore")
    crops["rows"] = grouped.size()
    squares = pd.DataFrame(
        {"sse": crops["mse"] * crops["rows"], "sst": grouped["actual"].var(ddof=0) * crops["rows"]}
    )
    groups = list(by)
    # a crop without a number leaves the mean over crops without one
    pooled = crops.fillna(np.inf).groupby(groups, observed=True).mean().replace(np.inf, np.nan)
    seasons = entries.drop_duplicates([*dict.fromkeys([*by, "region", "year"])])
    pooled["rows"] = seasons.groupby(groups, observed=True).size()
    for scores, sums in ((crops, squares), (pooled, squares.groupby(groups, observed=True).sum())):
        scores["rmse"] = np.sqrt(scores["mse"])
        scores["r2"] = (1 - sums["sse"] / sums["sst"]).where(sums["sst"] > 0)
        scores["skill"] = _skill(scores["mse"].to_numpy(), scores[_NAIVE].to_numpy().T)
    return crops, pooled


def skill_intervals(entries: pd.DataFrame) -> dict[str | None, Floats]:
    """95 % percentile bootstrap of the skill of each crop, and of all (None), resampling whole seasons.

    Rows of one season share its weather, so seasons are the independent unit. Every draw picks its
    own best baseline, as the skill itself does. NaN with fewer than three seasons; with few the
    interval is too narrow, as the bootstrap's always is.
    """
    keys = ["mse", *_NAIVE]
    grouped = entries.groupby(["year", "crop"], observed=True)
    sums = (
        grouped[keys]
        .sum(min_count=1)
        .assign(rows=grouped.size().astype(float))
        .unstack("crop", fill_value=0.0)
    )
    rows_ST = sums["rows"].to_numpy(np.float64)
    sse_KST = np.stack([sums[key].to_numpy() for key in keys])
    found: dict[str | None, Floats] = {None: _bootstrap(rows_ST, sse_KST)}
    for at, crop in enumerate(sums["rows"].columns):
        observed_S = rows_ST[:, at] > 0
        found[crop] = _bootstrap(rows_ST[observed_S, at : at + 1], sse_KST[:, observed_S, at : at + 1])
    return found


def _bootstrap(rows_ST: Floats, sse_KST: Floats) -> Floats:
    seasons = len(rows_ST)
    if seasons < _FEWEST_SEASONS:
        return np.full(2, np.nan)
    draws_DS = np.random.default_rng(_SEED).multinomial(seasons, np.full(seasons, 1 / seasons), _DRAWS)
    rows_DT = draws_DS @ rows_ST
    with np.errstate(invalid="ignore", divide="ignore"):
        observed_DT = rows_DT > 0
        mse_KDT = np.where(observed_DT, draws_DS @ sse_KST / rows_DT, 0.0)
        mse_KD = mse_KDT.sum(axis=2) / observed_DT.sum(axis=1)
        skill_D = _skill(mse_KD[0], mse_KD[1:])
    skill_D = skill_D[np.isfinite(skill_D)]
    return np.quantile(skill_D, [0.025, 0.975]) if len(skill_D) else np.full(2, np.nan)


def _error(predicted_E: Floats | float, actual_E: Floats) -> Floats:
    error_E = predicted_E - actual_E
    # the mean of equal yields is off by rounding, which is no error that a skill could be against
    return np.where(np.abs(error_E) <= _ROUNDING * np.abs(actual_E), 0.0, error_E)


def _skill(mse_X: Floats, naive_KX: Floats) -> Floats:
    best_X = np.min(np.where(np.isnan(naive_KX), np.inf, naive_KX), axis=0)
    usable_X = np.isfinite(best_X) & (best_X > 0)
    return np.where(usable_X, 1 - mse_X / np.where(usable_X, best_X, 1.0), np.nan)
