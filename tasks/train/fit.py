"""A trained model from region-seasons: by SGD, or exact for calibration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from data.contracts.season_table import Floats, SeasonTable
from data.settings.schema import Settings
from tasks.model.model import Model
from tasks.normalise.normalise import Normalised, normalise
from tasks.normalise.threads import one_thread
from tasks.train.optimum import Optimum, certify, solve
from tasks.train.sgd import OnEpoch, descend

_EPS = float(np.finfo(np.float64).eps)


def fit_model(
    table: SeasonTable,
    settings: Settings,
    as_of: str,
    validation: SeasonTable | None = None,
    on_epoch: OnEpoch | None = None,
    crop_units: tuple[str | None, ...] = (),
    feature_units: tuple[str, ...] = (),
) -> Model:
    """Normalise training rows, train on them and certify the result.

    Equal rows, whatever their order and coding, give equal bytes on a CPU. Raises InputError when no
    row is left, and what `descend` raises.
    """
    with one_thread():
        data = normalise(table, settings)
    return fit_normalised(
        data, settings, as_of, validation, on_epoch, crop_units, feature_units
    )  # fmt: skip


def fit_normalised(
    data: Normalised,
    settings: Settings,
    as_of: str,
    validation: SeasonTable | None = None,
    on_epoch: OnEpoch | None = None,
    crop_units: tuple[str | None, ...] = (),
    feature_units: tuple[str, ...] = (),
) -> Model:
    """The second half of `fit_model`: train on normalised rows and certify the result."""
    with one_thread():
        held_out = (
            data.normaliser.transform(validation) if validation is not None and len(validation) else None
        )
        unit_T = data.normaliser.scaling.y_scale_T
        fit = descend(data, settings.training, unit_T, {}, True, held_out, on_epoch)
        optimum = _exact(data, settings.training.weight_decay)
        # where a crop's own rows don't vary its weights are as they were drawn; nothing is known, so zero
        weight_TP = fit.weight_TP - np.einsum("tpq,tq->tp", optimum.null_TPP, fit.weight_TP)
        bias_T = fit.bias_T + ((fit.weight_TP - weight_TP) * data.moments.x_TF).sum(axis=1)
        record = {
            "exact": False,
            "epochs": len(fit.losses),
            "settled_from": fit.settled_from,
            "batches": fit.batches,
            "losses": list(fit.losses),
            "learning_rate": fit.plan.rate,
            "device": fit.device,
        }
    return _model(data, settings, as_of, (weight_TP, bias_T), optimum, record, crop_units, feature_units)


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
        optimum = _exact(data, settings.training.weight_decay)
    weights = (optimum.weight_TP, optimum.bias_T)
    return _model(data, settings, as_of, weights, optimum, {"exact": True}, crop_units, feature_units)


def _exact(data: Normalised, weight_decay: float) -> Optimum:
    """The optimum; an objective that differences of sums can't tell is summed from residuals."""
    optimum = solve(data.moments, weight_decay)
    T = len(optimum.bias_T)
    observed_T = data.moments.rows_T > 0
    if (optimum.objective_T[observed_T] > 1e-9).all():
        return optimum
    z_NP, u_NT = data.scaled()
    fitted_NT = np.einsum("np,tp->nt", z_NP, optimum.weight_TP) + optimum.bias_T
    squares_T = np.nansum((u_NT - fitted_NT) ** 2, axis=0) / np.maximum(data.moments.rows_T, 1)
    return replace(optimum, objective_T=squares_T / T + weight_decay / 2 * (optimum.weight_TP**2).sum(axis=1))


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
    level_T = np.abs(scaling.y_centre_T) + np.abs(normaliser.baseline.level_RT).max(axis=0, initial=0.0)
    noise_T = 64 * _EPS * (level_T / scaling.y_scale_T + 1)
    certificate = certify(optimum, moments, *weights, scaling.y_scale_T, noise_T)
    weight_TP, bias_T = weights
    certified = {
        "excess": certificate.excess,
        "excess_crops": dict(zip(crops, certificate.excess_T, strict=True)),
        "optimum": certificate.objective,
        "rows": moments.all_rows,
        "rows_crops": {crop: int(rows) for crop, rows in zip(crops, moments.rows_T, strict=True)},
        "constant": list(scaling.constant),
        "collinear": list(scaling.collinear),
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
        normaliser.baseline,
        normaliser.climatology,
        scaling,
        weight_TP,
        # a crop without rows has no prediction, not one of zero
        np.where(moments.rows_T > 0, bias_T, np.nan),
        record | certified,
    )
