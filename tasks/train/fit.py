"""A fit: normalise, then weather and baseline in turn, by training or exactly; certified at the end.

Shapes: N rows, P trained columns, T crops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from data.contracts.season_table import Floats, SeasonTable
from data.settings.schema import Settings
from tasks.model.model import Model
from tasks.normalise.normalise import Normalised, normalise
from tasks.normalise.threads import one_thread
from tasks.train.optimum import Optimum, certify, solve
from tasks.train.sgd import Descent, Objective, OnEpoch

_EPS = float(np.finfo(np.float64).eps)
# finds the weights of one round, given its rows and its exact optimum
Round = Callable[[Normalised, Optimum], tuple[Floats, Floats]]


def fit_model(
    table: SeasonTable,
    settings: Settings,
    as_of: str,
    on_epoch: OnEpoch | None = None,
    crop_units: tuple[str | None, ...] = (),
    feature_units: tuple[str, ...] = (),
) -> Model:
    """Normalise training rows, train on them and certify the result.

    Equal rows, whatever their order and coding, give equal bytes on a CPU. Raises InputError when no
    row is left, and what `Descent` raises.
    """
    with one_thread():
        data = normalise(table, settings)
    return fit_normalised(data, settings, as_of, on_epoch, crop_units, feature_units)


def fit_normalised(
    data: Normalised,
    settings: Settings,
    as_of: str,
    on_epoch: OnEpoch | None = None,
    crop_units: tuple[str | None, ...] = (),
    feature_units: tuple[str, ...] = (),
) -> Model:
    """The second half of `fit_model`: train on normalised rows and certify the result."""
    with one_thread():
        unit_T = data.normaliser.scaling.y_scale_T
        objective = Objective(data.moments, data.ridge_T, data.penalty_PP, _noise(data), unit_T)
        descent = Descent(data, settings.training, objective, on_epoch=on_epoch)

        def one_round(data: Normalised, optimum: Optimum) -> tuple[Floats, Floats]:
            if descent.progress.rounds:
                descent.retarget(data.targets())
            fit = descent.run()
            # where a crop's own rows don't vary its weights are as they were drawn; nothing is known, so zero
            weight_TP = fit.weight_TP - np.einsum("tpq,tq->tp", optimum.null_TPP, fit.weight_TP)
            return weight_TP, fit.bias_T + ((fit.weight_TP - weight_TP) * data.moments.x_TF).sum(axis=1)

        data, weights, optimum = _rounds(data, settings, one_round)
    progress = descent.progress
    record = {
        "exact": False,
        "epochs": len(progress.losses),
        "rounds": progress.rounds,
        "ended": progress.end,
        "bound": progress.bound,
        "batches": len(descent.batches),
        "losses": progress.losses,
        "learning_rate": descent.plan.rate,
        "device": descent.device.type,
    }
    return _model(data, settings, as_of, weights, optimum, record, crop_units, feature_units)


def fit_exact(
    table: SeasonTable,
    settings: Settings,
    as_of: str,
    crop_units: tuple[str | None, ...] = (),
    feature_units: tuple[str, ...] = (),
) -> Model:
    """The model that minimises the same objective exactly, from float64 sums; nothing is trained.

    Raises InputError when no row is left.
    """
    with one_thread():
        data = normalise(table, settings)
        data, weights, optimum = _rounds(
            data, settings, lambda _, optimum: (optimum.weight_TP, optimum.bias_T)
        )
    return _model(data, settings, as_of, weights, optimum, {"exact": True}, crop_units, feature_units)


def _rounds(
    data: Normalised, settings: Settings, one_round: Round
) -> tuple[Normalised, tuple[Floats, Floats], Optimum]:
    """Baseline and weather in turn (backfitting: Hastie and Tibshirani 1990, "Generalized Additive Models").

    Returns the last round's rows, weights and optimum; rounds minimise no joint objective.
    """
    optimum = _exact(data)
    weights = one_round(data, optimum)
    for _ in range(settings.rounds - 1 if settings.baseline != "none" else 0):
        data = data.next_round(weights[0], settings)
        optimum = _exact(data)
        weights = one_round(data, optimum)
    return data, weights, optimum


def _exact(data: Normalised) -> Optimum:
    """The optimum; an objective that differences of sums can't tell is summed from residuals."""
    optimum = solve(data.moments, data.ridge_T, data.penalty_PP)
    T = len(optimum.bias_T)
    observed_T = data.moments.rows_T > 0
    if (optimum.objective_T[observed_T] > 1e-9).all():
        return optimum
    z_NP, u_NT = data.scaled()
    fitted_NT = np.einsum("np,tp->nt", z_NP, optimum.weight_TP) + optimum.bias_T
    squares_T = np.nansum((u_NT - fitted_NT) ** 2, axis=0) / np.maximum(data.moments.rows_T, 1)
    weight_TP = optimum.weight_TP
    ridge_T = data.ridge_T * np.einsum("tp,pq,tq->t", weight_TP, data.penalty_PP, weight_TP)
    return replace(optimum, objective_T=(squares_T + ridge_T) / T)


def _noise(data: Normalised) -> Floats:
    """Rounding error of each crop's yields in scaled units."""
    scaling, baseline = data.normaliser.scaling, data.normaliser.baseline
    level_T = np.abs(scaling.y_centre_T) + np.abs(baseline.level_RT).max(axis=0, initial=0.0)
    return np.asarray(64 * _EPS * (level_T / scaling.y_scale_T + 1))


def _model(
    data: Normalised,
    settings: Settings,
    as_of: str,
    weights: tuple[Floats, Floats],
    optimum: Optimum,
    record: dict[str, Any],
    crop_units: tuple[str | None, ...],
    feature_units: tuple[str, ...],
) -> Model:
    normaliser, scaling, moments = data.normaliser, data.normaliser.scaling, data.moments
    crops, features = normaliser.baseline.crops, normaliser.features
    certificate = certify(optimum, moments, *weights, scaling.y_scale_T, _noise(data))
    weight_TP, bias_T = weights
    certified = {
        "excess": certificate.excess,
        "excess_crops": dict(zip(crops, certificate.excess_T, strict=True)),
        "optimum": certificate.objective,
        "rows": moments.all_rows,
        "rows_crops": {crop: int(rows) for crop, rows in zip(crops, moments.rows_T, strict=True)},
        "ridge_crops": dict(zip(crops, data.ridge_T.tolist(), strict=True)),
        "constant": list(scaling.constant),
        "collinear": list(scaling.collinear),
        "redundant": list(scaling.redundant),
        # the device as it was asked for is no part of a run's id; the one that was used stands beside
        "training": settings.training.model_dump(mode="json", exclude={"device"}),
    }
    return Model(
        as_of,
        features,
        feature_units or ("",) * len(features),
        crops,
        crop_units or (None,) * len(crops),
        normaliser.region_names,
        normaliser.squares,
        normaliser.baseline,
        normaliser.climatology,
        scaling,
        weight_TP,
        # a crop without rows has no prediction, not one of zero
        np.where(moments.rows_T > 0, bias_T, np.nan),
        record | certified,
    )
