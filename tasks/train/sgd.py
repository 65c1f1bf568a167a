"""Training: the loop on one screen, and the fit around it that normalises, trains and certifies.

Shapes: N rows, B rows of a batch, F features, P trained columns, T crops.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, optim

from data.contracts.season_table import Floats, SeasonTable
from data.errors import CropyieldError
from data.settings.schema import Settings, Training
from tasks.model.model import Model
from tasks.normalise.normalise import Normalised, normalise
from tasks.train.batches import ArrayRows, Batches, Rows, deal
from tasks.train.checkpoint import Checkpoint, Progress
from tasks.train.device import choose_device, one_thread
from tasks.train.learning_rate import Plan, measure, plan_steps
from tasks.train.linear import given_parameters, linear_layer, mean_loss, take_step
from tasks.train.optimum import Optimum, certify, solve

OnEpoch = Callable[[int, float], None]
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Fit:
    """What training ended with: weights in the units of its inputs, and how it went.

    `losses` are each epoch's mean over crops of the mean squared error, as seen before each step.
    """

    weight_TP: Floats
    bias_T: Floats
    losses: tuple[float, ...]
    plan: Plan
    settled_from: int
    batches: int
    device: str


def train(
    x_NP: Floats,
    y_NT: Floats,
    training: Training,
    weight: Floats | None = None,
    bias: Floats | None = None,
    decay: bool = True,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
) -> Fit:
    """Fit y = x · weightᵀ + bias by stochastic gradient descent on the mean over crops of each one's MSE.

    NaN in y means not grown. `weight` [T, P] and `bias` [T] replace the default initialisation; `decay`
    False holds a given rate constant: with one batch that is textbook gradient descent. See
    `descend` for the rest and what is raised.
    """
    return descend(
        ArrayRows(x_NP, y_NT), training, np.ones(y_NT.shape[1]), given_parameters(weight, bias), decay, None,
        on_epoch, checkpoint,
    )  # fmt: skip


def descend(
    rows: Rows,
    training: Training,
    unit_T: Floats,
    start: dict[str, Tensor],
    decay: bool = True,
    validation: tuple[Floats, Floats] | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
) -> Fit:
    """Train on rows from `start` (parameters that replace the default initialisation).

    `unit_T` are the targets' units, for the losses told to `on_epoch(epochs done, loss)`. Inputs and
    targets of `validation` let `training.patience` begin the decay early. `checkpoint` is a folder:
    every few epochs the state goes there, and a run that finds its own state there continues.

    Raises SettingsError for a rate that must diverge, DeviceError, and CropyieldError when the loss stops
    being finite.
    """
    with one_thread():
        dtype = getattr(torch, training.precision)
        device = choose_device(training.device, training.precision)
        dealt = deal(rows, training.batch_size, training.seed, dtype)
        plan = plan_steps(
            measure(dealt, training.weight_decay), training, len(dealt), sum(dealt.sizes), decay
        )
        batches = Batches(dealt, device, training.seed)
        model = linear_layer(dealt.inputs, dealt.crops, training.seed, start, dtype).to(device)
        optimizer = optim.SGD(
            [
                {"params": [model.weight], "weight_decay": training.weight_decay},
                {"params": [model.bias], "weight_decay": 0.0},
            ],
            lr=plan.rate,
            momentum=training.momentum,
            nesterov=training.nesterov,
        )
        rows_T = torch.tensor([max(count, 1.0) for count in dealt.grown_T], dtype=dtype, device=device)
        state = Checkpoint(checkpoint, model, optimizer, dealt.rows_KBC, (training, plan))
        seen = state.load() or Progress(begun=plan.cruise)

        while seen.epoch < seen.begun + len(plan.settling):
            whole = plan.whole and seen.epoch >= seen.begun  # one step along all batches' gradient
            squares_T = torch.zeros_like(rows_T)
            for at, (x_BP, y_BT, grown_BT) in enumerate(batches.epoch(seen.epoch)):
                error_BT = model(x_BP) - y_BT
                if grown_BT is not None:
                    error_BT = error_BT * grown_BT
                batch_T = error_BT.square().sum(dim=0)
                # a batch stands for all rows: its share of each crop's mean, as often as there are batches
                loss = (batch_T / rows_T).mean() * (1 if whole else len(batches))
                loss.backward()
                squares_T += batch_T.detach()
                if not whole or at == len(batches) - 1:
                    rate = plan.rate_at(seen.epoch, seen.begun, at, len(batches))
                    take_step(optimizer, rate, 0.0 if whole else training.momentum)
            mse_T = (squares_T / rows_T).tolist()  # the one wait for the device in an epoch
            loss_now = seen.add(mse_T, unit_T)
            if not math.isfinite(loss_now):
                raise CropyieldError(
                    f"the loss is no longer finite in epoch {seen.epoch}; "
                    f"lower training.learning_rate (here {plan.rate:g}) or set it to 'auto'"
                )
            if validation is not None and training.patience:
                seen.watch(mean_loss(model, validation, unit_T), training.patience)
            state.save(seen)
            if on_epoch:
                on_epoch(seen.epoch, loss_now)

        return Fit(
            model.weight.detach().cpu().double().numpy(),
            model.bias.detach().cpu().double().numpy(),
            tuple(seen.losses),
            plan,
            seen.begun,
            len(batches),
            device.type,
        )


def fit_model(
    table: SeasonTable,
    settings: Settings,
    as_of: str,
    validation: SeasonTable | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
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
        data, settings, as_of, validation, on_epoch, checkpoint, crop_units, feature_units
    )  # fmt: skip


def fit_normalised(
    data: Normalised,
    settings: Settings,
    as_of: str,
    validation: SeasonTable | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
    crop_units: tuple[str | None, ...] = (),
    feature_units: tuple[str, ...] = (),
) -> Model:
    """The second half of `fit_model`: train on normalised rows and certify the result."""
    with one_thread():
        held_out = (
            data.normaliser.transform(validation) if validation is not None and len(validation) else None
        )
        unit_T = data.normaliser.scaling.y_scale_T
        fit = descend(data, settings.training, unit_T, {}, True, held_out, on_epoch, checkpoint)
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
    grown_T = data.moments.rows_T > 0
    if (optimum.objective_T[grown_T] > 1e-9).all():
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
