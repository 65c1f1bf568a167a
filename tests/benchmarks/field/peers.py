"""The peers of the scoreboard, from scikit-learn, on the rows and seasons that this project's model has.

Shapes: N rows of a fold, T crops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data.contracts.season_table import Floats, SeasonTable
from tasks.evaluate.naive import naive_predictions
from tasks.model.model import Model
from tests.benchmarks.field.trials import Fold

_RIDGES = np.logspace(-2, 5, 15)


def boosting() -> Any:
    """scikit-learn's gradient-boosted trees, its defaults."""
    return HistGradientBoostingRegressor(random_state=0)


def ridge() -> Any:
    """scikit-learn's ridge on z-scores, its strength chosen by leave-one-out among 15."""
    return make_pipeline(StandardScaler(), RidgeCV(_RIDGES))


def on_departures(make: Callable[[], Any], fold: Fold) -> Floats:
    """Yields [N, T] by a regression of this project's departures on this project's departures.

    They are those of the last round: weather and its squares minus each region's climatology, yields minus
    the lines, which were fitted in turn with the linear model's weather; a peer gets them as they are.
    """
    assert isinstance(fold.model, Model)
    normaliser = fold.model.normaliser
    x_NF, u_NT = normaliser.departures(fold.train), normaliser.yield_departures(fold.train)
    baseline_NT = fold.model.baseline_of(fold.rows)
    ahead_NF = normaliser.departures(fold.rows)
    found = [_fitted(make, x_NF, u_NT[:, at], ahead_NF) for at in range(u_NT.shape[1])]
    return np.asarray(baseline_NT + np.column_stack(found))


def on_raw(make: Callable[[], Any], fold: Fold) -> Floats:
    """Yields [N, T] by a regression on the features as they are, the harvest year and past yields.

    The latter are the mean of the region's yields in the five years before the season, or of the last five
    known; that is what tells regions apart.
    """
    before_NT, ahead_NT = _past_yields(fold, fold.train), _past_yields(fold, fold.rows)
    found = []
    for at in range(len(fold.train.crops)):
        x_NF = np.column_stack((fold.train.x_NF, fold.train.year_N, before_NT[:, at]))
        ahead_NF = np.column_stack((fold.rows.x_NF, fold.rows.year_N, ahead_NT[:, at]))
        found.append(_fitted(make, x_NF, fold.train.y_NT[:, at], ahead_NF))
    return np.column_stack(found)


PEERS: dict[str, Callable[[Fold], Floats]] = {
    "boosting, departures": lambda fold: on_departures(boosting, fold),
    "ridge, departures": lambda fold: on_departures(ridge, fold),
    "boosting, raw": lambda fold: on_raw(boosting, fold),
    "ridge, raw": lambda fold: on_raw(ridge, fold),
}
"""What stands beside this project's model."""


def _fitted(make: Callable[[], Any], x_NF: Any, y_N: Floats, ahead_NF: Any) -> Floats:
    known_N = np.isfinite(y_N)
    return np.asarray(make().fit(x_NF[known_N], y_N[known_N]).predict(ahead_NF))


def _past_yields(fold: Fold, rows: SeasonTable) -> Floats:
    history = fold.train if rows is fold.train else fold.history
    return naive_predictions(fold.train, history, rows)["last_five_seasons"]
