"""Naive forecasts: training mean, region mean, last five seasons, region trend.

Shapes: N rows of a SeasonTable, T crops, R regions.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.contracts.season_table import Floats, Integers, SeasonTable, recode
from data.contracts.vocabulary import NAIVE_BASELINES
from tasks.normalise.baseline import PLAIN_SEASONS, PLAIN_TREND, Baseline

_LAST = 5


def naive_predictions(train: SeasonTable, history: SeasonTable, rows: SeasonTable) -> dict[str, Floats]:
    """Each naive baseline's yields [N, T] of `rows` in the crops' units, learned from training rows.

    `training_mean`: the crop's mean. `region_mean`: the region's, else the crop's. `last_five_seasons`:
    the region's mean over the five calendar years before the season, or, where `history` (the
    yields known at the time, usually `train`) ends earlier, over its last five; else the region's
    mean, else the crop's. `region_trend`: see `region_trend`. NaN for a crop that `train` doesn't have.
    """
    yields = pd.DataFrame(train.y_NT)
    crop_T = yields.mean().to_numpy()
    means = yields.groupby(train.region_N).mean()
    region_NT = means.reindex(positions(rows, train.region_names)).fillna(yields.mean()).to_numpy()
    recent_NT = _recent_means(history, rows)
    predictions = (
        np.broadcast_to(crop_T, region_NT.shape).copy(),
        region_NT,
        np.where(np.isnan(recent_NT), region_NT, recent_NT),
        region_trend(train, rows),
    )
    return dict(zip(NAIVE_BASELINES, predictions, strict=True))


def region_trend(train: SeasonTable, rows: SeasonTable) -> Floats:
    """Each region's plain straight line over years [N, T], in the crops' units.

    All seasons alike, slopes not shrunk; a region with fewer than 10 seasons takes the pooled slope,
    an unknown region the pooled line. NaN for a crop that `train` doesn't have.
    """
    line = Baseline.fit(train, "trend", [PLAIN_TREND], PLAIN_SEASONS)
    trend_NT = line.predict(positions(rows, train.region_names), rows.year_N)
    return np.where(np.isfinite(train.y_NT).any(axis=0), trend_NT, np.nan)


def positions(rows: SeasonTable, region_names: tuple[str, ...]) -> Integers:
    """The rows' regions [N] as positions in `region_names`; -1 for those that aren't among them."""
    return recode(rows.region_N, rows.region_names, region_names)


def _recent_means(history: SeasonTable, rows: SeasonTable) -> Floats:
    """Means [N, T] over the last five calendar years before each row's season; NaN without a yield."""
    if not len(history) or not len(rows):
        return np.full_like(rows.y_NT, np.nan)
    end_N = np.minimum(rows.year_N - 1, history.year_N.max())
    first = min(int(history.year_N.min()), int(end_N.min()) - _LAST)
    seasons = int(history.year_N.max()) - first + 1
    y_RYT = np.full((len(history.region_names) + 1, seasons, len(history.crops)), np.nan)
    y_RYT[history.region_N, history.year_N - first] = history.y_NT
    at_N = positions(rows, history.region_names)  # -1, an unknown region, takes the last, which has nothing
    y_NLT = y_RYT[at_N[:, None], (end_N - first)[:, None] - np.arange(_LAST)]
    count_NT = np.isfinite(y_NLT).sum(axis=1)
    return np.where(count_NT > 0, np.nansum(y_NLT, axis=1) / np.maximum(count_NT, 1), np.nan)
