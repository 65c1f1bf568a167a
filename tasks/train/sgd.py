"""Stochastic gradient descent: the training loop.

Shapes: N rows, B rows of a batch, F features, P trained columns, T crops.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, optim

from data.contracts.season_table import Floats
from data.errors import CropyieldError
from data.settings.schema import Training
from tasks.normalise.threads import one_thread
from tasks.train.batches import ArrayRows, Batches, Rows, make_blocks
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


@dataclass
class Progress:
    """Where a run stands between two epochs."""

    epoch: int = 0
    """Epochs done."""
    decay_start: int = 0
    """The epoch that settling begins with."""
    waited: int = 0
    """Epochs without a better validation loss."""
    best: float = float("inf")
    """Best validation loss so far."""
    losses: list[float] = field(default_factory=list)
    """Each epoch's mean over crops of the mean squared error, in yield units."""

    def add(self, mse_T: list[float], unit_T: Floats) -> float:
        """Note an epoch and return its loss."""
        self.epoch += 1
        self.losses.append(float(np.mean(np.asarray(mse_T) * unit_T**2)))
        return self.losses[-1]

    def watch(self, loss: float, patience: int) -> None:
        """Begin to settle once `patience` epochs have brought no better validation loss."""
        if self.epoch >= self.decay_start:
            return
        self.waited = 0 if loss < self.best else self.waited + 1
        self.best = min(self.best, loss)
        if self.waited >= patience:
            self.decay_start = self.epoch


def train(
    x_NP: Floats,
    y_NT: Floats,
    training: Training,
    weight: Floats | None = None,
    bias: Floats | None = None,
    decay: bool = True,
    on_epoch: OnEpoch | None = None,
) -> Fit:
    """Fit y = x · weightᵀ + bias by stochastic gradient descent on the mean over crops of each one's MSE.

    NaN in y means not grown. `weight` [T, P] and `bias` [T] replace the default initialisation; `decay`
    False holds a given rate constant: with one batch that is textbook gradient descent. See
    `descend` for the rest and what is raised.
    """
    return descend(
        ArrayRows(x_NP, y_NT), training, np.ones(y_NT.shape[1]), given_parameters(weight, bias), decay, None,
        on_epoch,
    )  # fmt: skip


def descend(
    rows: Rows,
    training: Training,
    unit_T: Floats,
    start: dict[str, Tensor],
    decay: bool = True,
    validation: tuple[Floats, Floats] | None = None,
    on_epoch: OnEpoch | None = None,
) -> Fit:
    """Train on rows from `start` (parameters that replace the default initialisation).

    `unit_T` are the targets' units, for the losses told to `on_epoch(epochs done, loss)`. Inputs and
    targets of `validation` let `training.patience` begin the decay early.

    Raises SettingsError for a rate that must diverge, DeviceError, and CropyieldError when the loss stops
    being finite.
    """
    with one_thread():
        dtype = getattr(torch, training.precision)
        device = choose_device(training.device, training.precision)
        blocks = make_blocks(rows, training.batch_size, training.seed, dtype)
        plan = plan_steps(
            measure(blocks, training.weight_decay), training, len(blocks), sum(blocks.sizes), decay
        )
        batches = Batches(blocks, device, training.seed)
        model = linear_layer(blocks.inputs, blocks.crops, training.seed, start, dtype).to(device)
        optimizer = optim.SGD(
            [
                {"params": [model.weight], "weight_decay": training.weight_decay},
                {"params": [model.bias], "weight_decay": 0.0},
            ],
            lr=plan.rate,
            momentum=training.momentum,
            nesterov=training.nesterov,
        )
        rows_T = torch.tensor([max(count, 1.0) for count in blocks.observed_T], dtype=dtype, device=device)
        seen = Progress(decay_start=plan.constant_epochs)

        while seen.epoch < seen.decay_start + len(plan.decay):
            whole = plan.whole and seen.epoch >= seen.decay_start  # one step along all batches' gradient
            squares_T = torch.zeros_like(rows_T)
            for at, (x_BP, y_BT, observed_BT) in enumerate(batches.epoch(seen.epoch)):
                error_BT = model(x_BP) - y_BT
                if observed_BT is not None:
                    error_BT = error_BT * observed_BT
                batch_T = error_BT.square().sum(dim=0)
                # a batch stands for all rows: its share of each crop's mean, as often as there are batches
                loss = (batch_T / rows_T).mean() * (1 if whole else len(batches))
                loss.backward()
                squares_T += batch_T.detach()
                if not whole or at == len(batches) - 1:
                    rate = plan.rate_at(seen.epoch, seen.decay_start, at, len(batches))
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
            if on_epoch:
                on_epoch(seen.epoch, loss_now)

        return Fit(
            model.weight.detach().cpu().double().numpy(),
            model.bias.detach().cpu().double().numpy(),
            tuple(seen.losses),
            plan,
            seen.decay_start,
            len(batches),
            device.type,
        )
