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
from torch import Tensor, nn, optim

from data.errors import CropyieldError
from data.seasons import Floats, SeasonTable
from data.settings import Settings, Training
from tasks.batches import Batches, deal
from tasks.checkpoint import Progress, fingerprint, load_progress, save_progress
from tasks.device import choose_device, one_thread
from tasks.model import Model
from tasks.normalise import Normalised, feature_columns, normalise
from tasks.optimum import Certificate, Optimum, certify, solve
from tasks.step import Plan, measure, plan_steps

OnEpoch = Callable[[int, float], None]
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Fit:
    """What training ended with: weights in the units of its inputs, and how it went.

    `losses` are each epoch's mean over crops of the mean squared error, seen before each step.
    """

    weight_TP: Floats
    bias_T: Floats
    losses: tuple[float, ...]
    plan: Plan
    settled_from: int
    batches: int
    device: str


def train(
    x_NP: Floats | Tensor,
    y_NT: Floats | Tensor,
    training: Training,
    *,
    weight: Floats | None = None,
    bias: Floats | None = None,
    decay: bool = True,
    unit_T: Floats | None = None,
    validation: tuple[Floats, Floats] | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 10,
) -> Fit:
    """Fit y = x · weightᵀ + bias by stochastic gradient descent on the mean over crops of each one's MSE.

    NaN in y means not grown. `weight` [T, P] and `bias` [T] replace the default initialisation; `decay`
    False holds a given rate constant (with one batch: textbook gradient descent). `unit_T` are the
    targets' units, for the losses reported by `on_epoch(epochs done, loss)`. `validation` inputs
    and targets let `training.patience` begin the decay early. `checkpoint` is a folder: every so
    many epochs the state goes there, and a run that finds its own state there continues from it.

    Raises SettingsError for a rate that must diverge, DeviceError, and CropyieldError when the loss stops
    being finite.
    """
    with one_thread():
        dtype = getattr(torch, training.precision)
        device = choose_device(training.device, training.precision)
        dealt = deal(torch.as_tensor(x_NP, dtype=dtype), torch.as_tensor(y_NT, dtype=dtype), training.batch_size, training.seed)  # fmt: skip
        K, N, T = len(dealt), len(dealt.x_NP), dealt.y_NT.shape[1]
        plan = plan_steps(measure(dealt, training.weight_decay), training, K, N, decay)
        model = _linear(dealt.x_NP.shape[1], T, training.seed, weight, bias, dtype).to(device)
        optimizer = optim.SGD(
            [{"params": [model.weight], "weight_decay": training.weight_decay}, {"params": [model.bias]}],
            lr=plan.rate, momentum=training.momentum, nesterov=training.nesterov,
        )  # fmt: skip
        run = fingerprint(dealt.tensors(), training, decay, plan) if checkpoint else ""
        fresh = Progress(begun=plan.cruise)
        seen = (load_progress(checkpoint, run, model, optimizer) if checkpoint else None) or fresh
        unit = np.ones(T) if unit_T is None else unit_T
        grown_T = [float(N)] * T if dealt.grown_NT is None else dealt.grown_NT.double().sum(0).tolist()
        rows_T = torch.tensor([max(rows, 1.0) for rows in grown_T], dtype=dtype, device=device)
        batches = Batches(dealt.to(device), device, training.seed)
        held_out = (
            None if validation is None else [torch.as_tensor(v, dtype=dtype).to(device) for v in validation]
        )

        while seen.epoch < seen.begun + len(plan.settling) or seen.epoch < plan.cruise <= seen.begun:
            whole = plan.whole and seen.epoch >= seen.begun  # one step along all batches' gradient
            squares_T = torch.zeros(T, dtype=dtype, device=device)
            for at, (x_BP, y_BT, grown_BT) in enumerate(batches.epoch(seen.epoch)):
                error_BT = model(x_BP) - y_BT
                if grown_BT is not None:
                    error_BT = error_BT * grown_BT
                batch_T = error_BT.square().sum(dim=0)
                # a batch stands for all rows: K times its share of each crop's mean
                loss = (batch_T / rows_T).mean() * (1 if whole else K)
                loss.backward()
                squares_T += batch_T.detach()
                if not whole or at == K - 1:
                    for group in optimizer.param_groups:
                        group["lr"] = plan.rate_at(seen.epoch, seen.begun, at, K)
                        group["momentum"] = 0.0 if whole else training.momentum
                    optimizer.step()
                    optimizer.zero_grad()
            mse_T = (squares_T / rows_T).tolist()  # the one wait for the device in an epoch
            seen.squares.append(mse_T)
            seen.epoch += 1
            loss_now = float(np.mean(np.asarray(mse_T) * unit**2))
            if not math.isfinite(loss_now):
                raise CropyieldError(
                    f"the loss is no longer finite in epoch {seen.epoch}; "
                    f"lower training.learning_rate (here {plan.rate:g}) or set it to 'auto'"
                )
            if held_out is not None and training.patience and seen.epoch < seen.begun:
                _watch(seen, _validate(model, held_out, unit), training.patience)
            if checkpoint and seen.epoch % checkpoint_every == 0:
                save_progress(checkpoint, run, seen, model, optimizer)
            if on_epoch:
                on_epoch(seen.epoch, loss_now)

        losses = tuple(float(np.mean(np.asarray(mse_T) * unit**2)) for mse_T in seen.squares)
        return Fit(
            model.weight.detach().cpu().double().numpy(), model.bias.detach().cpu().double().numpy(),
            losses, plan, seen.begun, K, device.type,
        )  # fmt: skip


def _linear(
    P: int, T: int, seed: int, weight: Floats | None, bias: Floats | None, dtype: torch.dtype
) -> nn.Linear:
    """nn.Linear as it is by default, from a stream of random numbers of its own."""
    model = nn.utils.skip_init(nn.Linear, P, T, dtype=dtype)
    generator = torch.Generator().manual_seed(seed)
    bound = max(P, 1) ** -0.5
    with torch.no_grad():
        model.weight.uniform_(-bound, bound, generator=generator)
        model.bias.uniform_(-bound, bound, generator=generator)
        if weight is not None:
            model.weight.copy_(torch.as_tensor(weight))
        if bias is not None:
            model.bias.copy_(torch.as_tensor(bias))
    return model


def _validate(model: nn.Linear, held_out: list[Tensor], unit: Floats) -> float:
    x_NP, y_NT = held_out
    with torch.no_grad():
        mse_T = (model(x_NP) - y_NT).square().nanmean(dim=0).tolist()
    return float(np.nanmean(np.asarray(mse_T) * unit**2))


def _watch(seen: Progress, loss: float, patience: int) -> None:
    """Begin to settle once `patience` epochs have brought no better validation loss."""
    seen.waited = 0 if loss < seen.best else seen.waited + 1
    seen.best = min(seen.best, loss)
    if seen.waited >= patience:
        seen.begun = seen.epoch


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
    row is left, and what `train` raises.
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
        held_out = None
        if validation is not None and len(validation) and settings.training.patience:
            held_out = data.normaliser.transform(validation)
        fit = train(
            data.z_NP, data.u_NT, settings.training, unit_T=data.normaliser.scaling.y_scale_T,
            validation=held_out, on_epoch=on_epoch, checkpoint=checkpoint,
        )  # fmt: skip
        optimum = _exact(data, settings.training.weight_decay)
        # what a crop's own rows leave open stays at the initial weights: nothing is known, so nothing is said
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
        return _model(data, settings, as_of, weight_TP, bias_T, optimum, record, crop_units, feature_units)


def fit_exact(
    table: SeasonTable,
    settings: Settings,
    as_of: str,
    crop_units: tuple[str | None, ...] = (),
    feature_units: tuple[str, ...] = (),
) -> Model:
    """The model that minimises the same objective exactly, from float64 sums; no training.

    Raises InputError when no row is left.
    """
    with one_thread():
        data = normalise(table, settings)
        optimum = _exact(data, settings.training.weight_decay)
        record = {"exact": True}
        return _model(
            data, settings, as_of, optimum.weight_TP, optimum.bias_T, optimum, record, crop_units, feature_units
        )  # fmt: skip


def _exact(data: Normalised, weight_decay: float) -> Optimum:
    """The optimum; objectives too small for differences of sums are summed from residuals."""
    optimum = solve(data.moments, weight_decay)
    if (optimum.objective_T > 1e-9).all():
        return optimum
    T = len(optimum.bias_T)
    fitted_NT = np.einsum("np,tp->nt", data.z_NP, optimum.weight_TP) + optimum.bias_T
    squares_T = np.nansum((data.u_NT - fitted_NT) ** 2, axis=0) / np.maximum(data.moments.rows_T, 1)
    penalty_T = weight_decay / 2 * (optimum.weight_TP**2).sum(axis=1)
    return replace(optimum, objective_T=squares_T / T + penalty_T)


def _model(
    data: Normalised, settings: Settings, as_of: str, weight_TP: Floats, bias_T: Floats, optimum: Optimum,
    record: dict[str, Any], crop_units: tuple[str | None, ...], feature_units: tuple[str, ...],
) -> Model:  # fmt: skip
    normaliser, scale_T = data.normaliser, data.normaliser.scaling.y_scale_T
    crops, features = normaliser.baseline.crops, normaliser.features
    level_T = np.abs(normaliser.scaling.y_centre_T) + scale_T * np.sqrt(data.moments.yy_T)
    level_T += np.abs(normaliser.baseline.level_RT).max(axis=0, initial=0.0)
    certificate = certify(optimum, data.moments, weight_TP, bias_T, scale_T, 64 * _EPS * level_T / scale_T)
    return Model(
        as_of,
        features,
        feature_units or ("",) * len(features),
        crops,
        crop_units or (None,) * len(crops),
        normaliser.region_names,
        normaliser.baseline,
        normaliser.climatology,
        normaliser.scaling,
        weight_TP,
        bias_T,
        record | _certified(data, certificate) | {"training": settings.training.model_dump(mode="json")},
    )


def _certified(data: Normalised, certificate: Certificate) -> dict[str, Any]:
    crops = data.normaliser.baseline.crops
    scaling = data.normaliser.scaling
    return {
        "excess": certificate.excess,
        "excess_crops": dict(zip(crops, certificate.excess_T, strict=True)),
        "optimum": certificate.objective,
        "rows": data.moments.all_rows,
        "rows_crops": {crop: int(n) for crop, n in zip(crops, data.moments.rows_T, strict=True)},
        "constant": list(scaling.constant),
        "collinear": list(scaling.collinear),
    }
