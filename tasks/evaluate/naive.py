"""Naive forecasts: training mean, region mean, last five seasons, region trend.

Shapes: N rows of a SeasonTable, T crops, R regions.
"""

from __future__ import annotations

import numpy as np

from data.contracts.season_table import Floats, Integers, SeasonTable, recode
from data.contracts.vocabulary import NAIVE_BASELINES
from tasks.normalise.baseline import PLAIN_SEASONS, PLAIN_TREND, UNKNOWN, Baseline

_LAST = 5


def naive_predictions(train: SeasonTable, history: SeasonTable, rows: SeasonTable) -> dict[str, Floats]:
    """Each naive baseline's yields [N, T] of `rows` in the crops' units, learned from training rows.

    `training_mean`: the crop's mean. `region_mean`: the region's, else the crop's. `last_five_seasons`:
    the region's mean over the five calendar years before the season, or, where `history` (the
    yields known at the time, usually `train`) ends earlier, over its last five; else the region's
    mean, else the crop's. `region_trend`: see `region_trend`. NaN for a crop that `train` doesn't have.
    """
    crop_T = _mean_of_known(train.y_NT)
    region_RT = _region_means(train, crop_T)
    at_N = positions(rows, train.region_names)
    region_NT = np.where((at_N == UNKNOWN)[:, None], crop_T, region_RT[at_N])
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


def _mean_of_known(y_NT: Floats) -> Floats:
    known_NT = np.isfinite(y_NT)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known_NT, y_NT, 0.0).sum(axis=0) / known_NT.sum(axis=0))


def _region_means(train: SeasonTable, crop_T: Floats) -> Floats:
    """Regional means [R, T]; a region without the crop has the crop's mean."""
    regions = len(train.region_names)
    mean_RT = np.empty((regions, len(train.crops)))
    for at in range(len(train.crops)):
        known_N = np.isfinite(train.y_NT[:, at])
        region_N = train.region_N[known_N]
        rows_R = np.bincount(region_N, minlength=regions)
        total_R = np.bincount(region_N, train.y_NT[known_N, at], regions)
        mean_RT[:, at] = np.where(rows_R > 0, total_R / np.maximum(rows_R, 1), crop_T[at])
    return mean_RT


def _recent_means(history: SeasonTable, rows: SeasonTable) -> Floats:
    """Means [N, T] over the last five calendar years before each row's season; NaN without a yield."""
    total_NT, count_NT = np.zeros_like(rows.y_NT), np.zeros_like(rows.y_NT)
    if not len(history) or not len(rows):
        return np.full_like(rows.y_NT, np.nan)
    at_N = positions(rows, history.region_names)
    end_N = np.minimum(rows.year_N - 1, history.year_N.max())
    first = min(int(history.year_N.min()), int(end_N.min()) - _LAST)
    span = int(history.year_N.max()) - first + 1
    key_H = history.region_N * span + history.year_N - first
    order_H = np.argsort(key_H, kind="stable")
    key_H = key_H[order_H]
    for ago in range(_LAST):
        wanted_N = at_N * span + end_N - ago - first
        found_N = np.minimum(np.searchsorted(key_H, wanted_N), len(key_H) - 1)
        hit_N = (key_H[found_N] == wanted_N) & (at_N != UNKNOWN)
        yield_NT = np.where(hit_N[:, None], history.y_NT[order_H[found_N]], np.nan)
        known_NT = np.isfinite(yield_NT)
        total_NT += np.where(known_NT, yield_NT, 0.0)
        count_NT += known_NT
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(count_NT > 0, total_NT / count_NT, np.nan))
