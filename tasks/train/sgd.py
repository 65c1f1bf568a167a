"""Training: the loop on one screen, and the fit around it that normalises, trains and certifies.

Shapes: N rows, B rows of a batch, F features, P trained columns, T crops.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, optim

from data.contracts.season_table import Floats
from data.errors import CropyieldError
from data.settings.schema import Training
from tasks.normalise.threads import one_thread
from tasks.train.batches import ArrayRows, Batches, Rows, deal
from tasks.train.checkpoint import Checkpoint, Progress
from tasks.train.device import choose_device
from tasks.train.learning_rate import Plan, measure, plan_steps
from tasks.train.linear import given_parameters, linear_layer, mean_loss, take_step

OnEpoch = Callable[[int, float], None]


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
