"""Stochastic gradient descent: the training loop, round after round of targets.

Shapes: N rows, B rows of a batch, G batches, P trained columns, T crops, M = P + 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from data.contracts.season_table import Floats
from data.errors import CropyieldError
from data.settings.schema import Training
from tasks.normalise.moments import Moments, compute_moments
from tasks.normalise.threads import one_thread
from tasks.train.batches import ArrayRows, Batches, Rows, make_blocks
from tasks.train.device import choose_device
from tasks.train.learning_rate import Curvature, Plan, plan_steps, settling_rates
from tasks.train.linear import PlainSGD, given_parameters, linear_layer, take_step

OnEpoch = Callable[[int, float], None]
End = Literal["tolerance", "precision", "epochs"]
# a bound that hasn't halved in as many passes is as low as the arithmetic lets it be
_PATIENCE = 10


@dataclass(frozen=True, eq=False)
class Objective:
    """What is minimised beside the rows, the ridge `ridge_T` · w `penalty_PP` wᵀ, and what is known of them.

    `moments` are those of the scaled rows, `noise_T` is the rounding error of a yield in scaled units and
    `unit_T` the targets' units, for the losses that are reported.
    """

    moments: Moments
    ridge_T: Floats
    penalty_PP: Floats
    noise_T: Floats
    unit_T: Floats


@dataclass
class Progress:
    """How training went so far: each epoch's loss, each round's number of epochs, why the last one ended.

    A loss is the objective in yield units, as seen before each step.
    """

    losses: list[float] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    end: End = "epochs"
    bound: float | None = None


@dataclass(frozen=True, eq=False)
class Fit:
    """What training ended with: weights in the units of its inputs, and how it went."""

    weight_TP: Floats
    bias_T: Floats
    progress: Progress
    plan: Plan
    batches: int
    device: str

    @property
    def losses(self) -> list[float]:
        """Each epoch's loss."""
        return self.progress.losses


class Descent:
    """Rows in batches, the layer and its optimizer: what the rounds of one training share."""

    def __init__(
        self,
        rows: Rows,
        training: Training,
        objective: Objective,
        start: dict[str, Tensor] | None = None,
        decay: bool = True,
        on_epoch: OnEpoch | None = None,
    ) -> None:
        """`start` replaces default initial parameters; `decay` False holds a given rate constant.

        Raises SettingsError for a rate that must diverge, DeviceError.
        """
        self.training, self.objective, self.on_epoch = training, objective, on_epoch
        self.dtype = getattr(torch, training.precision)
        self.device = choose_device(training.device, training.precision)
        blocks = make_blocks(rows, training.batch_size, training.seed, self.dtype)
        self.curvature = Curvature.of(objective.moments, objective.ridge_T, objective.penalty_PP)
        steepest = 2 * objective.ridge_T.max(initial=0.0) * float(np.linalg.norm(objective.penalty_PP, 2))
        self.plan = plan_steps(blocks, self.curvature, steepest, training, decay)
        self.batches = Batches(blocks, self.device, training.seed)
        self.model = linear_layer(blocks.inputs, blocks.crops, training.seed, start or {}, self.dtype).to(
            self.device
        )
        self.optimizer = PlainSGD(
            self.model.parameters(), lr=self.plan.rate, momentum=training.momentum, nesterov=training.nesterov
        )
        self.rows_T = self._tensor(np.maximum(blocks.observed_T, 1.0))
        self.share_T = 1 / (self.rows_T * len(self.rows_T))
        self.ridged, self.ridge_T = bool(objective.ridge_T.any()), self._tensor(objective.ridge_T)
        self.penalty_PP = self._tensor(objective.penalty_PP)
        self.progress = Progress()

    def retarget(self, u_NT: Floats) -> None:
        """Go on with other targets of the same rows."""
        rows = ArrayRows(np.empty((len(u_NT), 0)), u_NT)
        self.batches.retarget(make_blocks(rows, self.training.batch_size, self.training.seed, self.dtype))

    def run(self) -> Fit:
        """One round, from the weights as they are. Raises CropyieldError when the loss stops being finite."""
        plan, K, first = self.plan, len(self.batches), not self.progress.rounds
        stepping = self.training.epochs if not plan.settles else plan.falling if first else 0
        rates: list[float] = []
        lowest, waited, patience = math.inf, 0, _PATIENCE
        self.progress.end = "epochs"
        for epoch in range(self.training.epochs):
            settling = epoch >= stepping  # one step along all rows' gradient
            fixed = settling or K == 1  # the gradient is that of all rows at one point
            seen_T = self._pass() if fixed else self._steps(epoch)
            # the one wait for the device in an epoch
            objective_T = seen_T.cpu().double().numpy()
            self._note(objective_T)
            if fixed:
                bound = self._bound(objective_T)
                self.progress.bound = bound
                if self.training.tolerance and bound <= self.training.tolerance:
                    self.progress.end = "tolerance"
                    break
                lowest, waited = (bound, 0) if bound <= lowest / 2 else (lowest, waited + 1)
                if self.training.tolerance and waited >= patience:
                    self.progress.end = "precision"
                    break
                if not settling:
                    take_step(self.optimizer, plan.rate_at(epoch, 0, 1), self.training.momentum)
                    continue
                if not rates:
                    shrink = math.sqrt(self.training.tolerance / bound) if bound else 1.0
                    rates = list(settling_rates(self.curvature.least, self.curvature.largest, shrink))
                    patience = max(_PATIENCE, len(rates))
                take_step(self.optimizer, rates.pop(0), 0.0)
        self.optimizer.zero_grad()
        self.progress.rounds.append(len(self.progress.losses) - sum(self.progress.rounds))
        weight_TP, bias_T = (each.detach().cpu().double().numpy() for each in self.model.parameters())
        return Fit(weight_TP, bias_T, self.progress, plan, K, self.device.type)

    def _steps(self, epoch: int) -> Tensor:
        """An epoch of a step after each batch; the objective [T] as seen before each."""
        K = len(self.batches)
        squares_T, penalty_T = torch.zeros_like(self.rows_T), torch.zeros_like(self.rows_T)
        # a batch stands for all rows: its share of each crop's mean, as often as there are batches
        share_T = K * self.share_T
        for at, (x_PB, y_TB, observed_TB) in enumerate(self.batches.epoch(len(self.progress.losses))):
            error_TB = self.model(x_PB) - y_TB
            if observed_TB is not None:
                error_TB = error_TB * observed_TB
            batch_T = error_TB.square().sum(dim=1)
            loss = (batch_T * share_T).sum()
            if self.ridged:
                penalty_T = self.penalty()
                loss = loss + penalty_T.mean()
            loss.backward()
            squares_T += batch_T.detach()
            take_step(self.optimizer, self.plan.rate_at(epoch, at, K), self.training.momentum)
        return squares_T / self.rows_T + penalty_T.detach()

    def _pass(self) -> Tensor:
        """The objective [T] at the weights as they are; its gradient is left with them."""
        squares_T, penalty_T = torch.zeros_like(self.rows_T), torch.zeros_like(self.rows_T)
        if self.ridged:
            penalty_T = self.penalty()
            penalty_T.mean().backward()  # type: ignore[no-untyped-call]
        for x_GPB, y_GTB, observed_GTB, empty in self.batches.pieces():
            error_GTB = self.model(x_GPB) - y_GTB
            if observed_GTB is not None:
                error_GTB = error_GTB * observed_GTB
            piece_T = error_GTB.square().sum(dim=(0, 2))
            if empty:  # of zeros the model says its bias
                piece_T = piece_T - empty * self.model.bias.square()
            (piece_T * self.share_T).sum().backward()
            squares_T += piece_T.detach()
        return squares_T / self.rows_T + penalty_T.detach()

    def penalty(self) -> Tensor:
        """Each crop's ridge [T] at the weights as they are."""
        weight_TP = self.model.weight
        return self.ridge_T * (weight_TP @ self.penalty_PP * weight_TP).sum(dim=1)

    def _tensor(self, values: Floats) -> Tensor:
        return torch.as_tensor(values).to(self.device, self.dtype)

    def _note(self, objective_T: Floats) -> None:
        loss = float(np.mean(objective_T * self.objective.unit_T**2))
        if not math.isfinite(loss):
            raise CropyieldError(
                f"the loss is no longer finite in epoch {len(self.progress.losses) + 1}; "
                f"lower training.learning_rate (here {self.plan.rate:g}) or set it to 'auto'"
            )
        self.progress.losses.append(loss)
        if self.on_epoch:
            self.on_epoch(len(self.progress.losses), loss)

    def _bound(self, objective_T: Floats) -> float:
        """Largest bound over the crops on how far the objective is above its least possible value."""
        gradients = [each.grad.cpu().double() for each in self.model.parameters() if each.grad is not None]
        gradient_TM = torch.cat((gradients[0], gradients[1][:, None]), dim=1).numpy() * len(objective_T)
        bound_T = self.curvature.excess_bound(gradient_TM, objective_T)
        return float(np.where(objective_T <= self.objective.noise_T**2, 0.0, bound_T).max(initial=0.0))


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
    False holds a given rate constant: with one batch and no tolerance that is textbook gradient descent.
    There is no ridge. See `Descent` for what is raised.
    """
    with one_thread():
        P, T = x_NP.shape[1], y_NT.shape[1]
        objective = Objective(compute_moments(x_NP, y_NT), np.zeros(T), np.eye(P), np.zeros(T), np.ones(T))
        start = given_parameters(weight, bias)
        return Descent(ArrayRows(x_NP, y_NT), training, objective, start, decay, on_epoch).run()
