"""The learning rate: bounded by the curvature of the actual blocks, decaying to zero.

Shapes: P trained columns, T crops, K blocks, M = P + 1 directions (weights and bias).

Each crop's objective is quadratic, so its Hessian is known without knowing its minimum: H_c = 2 times the
mean of z̃z̃ᵀ over crop c's rows, z̃ = (z, 1), plus the ridge. The loss is the mean over crops: 1/T of that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from data.contracts.season_table import Flags, Floats
from data.errors import SettingsError
from data.settings.schema import Training
from tasks.normalise.moments import Moments
from tasks.train.batches import Blocks

# squarings in the bound of an eigenvalue: it exceeds the eigenvalue by a factor of M^(1/32) at most
_SQUARINGS = 5
_EPS = float(np.finfo(np.float64).eps)
# how far one cycle of rates is to shrink the error at most, and the longest cycle
_SHRINK = 1e-4
_LONGEST = 128


@dataclass(frozen=True, eq=False)
class Curvature:
    """Eigenvalues and -vectors of each crop's Hessian; `open_TM`: directions that no row or ridge fixes."""

    value_TM: Floats
    vector_TMM: Floats
    open_TM: Flags

    @classmethod
    def of(cls, moments: Moments, ridge_T: Floats, penalty_PP: Floats) -> Self:
        """From the moments of scaled rows."""
        T, P = moments.x_TF.shape
        hessian = np.zeros((T, P + 1, P + 1))
        hessian[:, :P, :P] = moments.xx_TFF + moments.x_TF[:, :, None] * moments.x_TF[:, None, :]
        hessian[:, :P, :P] += ridge_T[:, None, None] * penalty_PP
        hessian[:, :P, P] = hessian[:, P, :P] = moments.x_TF
        hessian[:, P, P] = 1.0
        values, vectors = torch.linalg.eigh(torch.from_numpy(2 * hessian))
        floor = values.amax(dim=1, keepdim=True) * (_EPS * 64 * (P + 1))
        return cls(values.numpy(), vectors.numpy(), (values <= floor).numpy())

    @property
    def least(self) -> float:
        """Smallest eigenvalue of the loss over the directions that are fixed."""
        return float(np.where(self.open_TM, np.inf, self.value_TM).min()) / len(self.value_TM)

    @property
    def largest(self) -> float:
        """Largest eigenvalue of the loss."""
        return float(self.value_TM.max()) / len(self.value_TM)

    def excess_bound(self, gradient_TM: Floats, objective_T: Floats) -> Floats:
        """b_c = ‖g_c‖² / (2 λ_min,c J_c) [T]: no less than J_c / J_c* - 1, for the gradient of all rows.

        Directions that nothing fixes are projected out; 0 where no gradient is left.
        """
        along_TM = np.einsum("tmk,tm->tk", self.vector_TMM, gradient_TM)
        squares_T = np.where(self.open_TM, 0.0, along_TM**2).sum(axis=1)
        least_T = np.where(self.open_TM, np.inf, self.value_TM).min(axis=1)
        scale_T = 2 * least_T * objective_T
        bound_T: Floats = np.divide(squares_T, scale_T, out=np.full_like(scale_T, np.inf), where=scale_T > 0)
        return bound_T


@dataclass(frozen=True)
class Plan:
    """The rate of every step of a round.

    A given rate holds over the first half of the epochs and then falls to zero (`falling` epochs). `auto`
    (`settles`) takes one epoch of steps after each batch, their rate falling to zero, and then one step
    an epoch along the gradient of all its batches, by the rates of `settling_rates`.
    """

    rate: float
    constant: int
    falling: int
    settles: bool

    def rate_at(self, epoch: int, batch: int, batches: int) -> float:
        """Rate of a step after a batch; epochs and batches count from 0."""
        if epoch < self.constant:
            return self.rate
        return self.rate * (1 - (epoch - self.constant + batch / batches) / self.falling)


def largest_curvature(blocks: Blocks, ridge: float) -> float:
    """Largest eigenvalue of the rows' loss over the blocks; `ridge` is its part of it."""
    T, P = blocks.crops, blocks.inputs
    complete = all(rows == sum(blocks.sizes) for rows in blocks.observed_T)
    largest, hessian = 0.0, torch.empty(P + 1, P + 1, dtype=torch.float64)
    for block in range(len(blocks)):
        x_PB, _, observed_TB = blocks.batch(block)
        for at in range(1 if complete else T):
            own_PB = x_PB if observed_TB is None else x_PB * observed_TB[at]
            hessian[:P, :P] = own_PB @ x_PB.T
            hessian[:P, P] = hessian[P, :P] = own_PB.sum(dim=1)
            hessian[P, P] = x_PB.shape[1] if observed_TB is None else observed_TB[at].sum()
            share = 2 * len(blocks) / max(blocks.observed_T[at], 1.0)
            largest = max(largest, _largest_eigenvalue(hessian * share))
    return (largest + ridge) / T


def _largest_eigenvalue(h: torch.Tensor) -> float:
    """An upper bound of the largest eigenvalue of a symmetric matrix [n, n], tight to n^(1/32).

    λ <= trace(H^m)^(1/m), with m = 32 by squaring.
    """
    scale = h.trace().clamp(min=torch.finfo(h.dtype).tiny)
    power = h / scale
    for _ in range(_SQUARINGS):
        power = power @ power
    return float(scale * power.trace().clamp(min=0) ** (1 / 2**_SQUARINGS))


def plan_steps(
    blocks: Blocks, curvature: Curvature, ridge: float, training: Training, decay: bool = True
) -> Plan:
    """Rates for a round of training. Raises SettingsError where the given rate must diverge.

    A given rate is constant over the first half of the epochs and then falls to zero (`decay`
    False: constant throughout). Gradient descent on the mean curvature diverges beyond
    2 (1 + μ) / λ, with Nesterov 2 (1 + μ) / ((1 + 2 μ) λ), λ the largest eigenvalue of the whole.

    `auto` is (1 - μ) / λ, λ the largest eigenvalue over the blocks: then no step on any block
    lengthens the error.
    """
    epochs, momentum = training.epochs, training.momentum
    if training.learning_rate == "auto":
        several = len(blocks) > 1  # one batch is the whole
        rate = (1 - momentum) / (largest_curvature(blocks, ridge) if several else curvature.largest)
        return Plan(rate, 0, int(several), True)
    limit = 2 * (1 + momentum) / curvature.largest
    if training.nesterov:
        limit /= 1 + 2 * momentum
    if training.learning_rate > limit:
        raise SettingsError(
            f"training.learning_rate: {training.learning_rate:g} must diverge on these rows; the "
            f"largest that can work is {_below(limit)}, or write 'auto'"
        )
    constant = epochs // 2 if decay else epochs
    return Plan(training.learning_rate, constant, epochs - constant, False)


def settling_rates(least: float, largest: float, shrink: float) -> tuple[float, ...]:
    """Rates of as many full-gradient steps as shrink the error by `shrink`, whatever its direction.

    A step of 1/r multiplies the error along the eigenvalue λ by 1 - λ/r. The roots r are those of the
    Chebyshev polynomial on [least, largest], which is the smallest there of its degree (Richardson's
    iteration: Young 1953, "On Richardson's method for solving linear systems with positive definite
    matrices"); their order is Leja's, so that no step undoes the others on the way (Reichel 1991).
    """
    half, middle = (largest - least) / 2, (largest + least) / 2
    if half <= 1e-6 * middle:
        return (1 / middle,)
    degree = math.acosh(1 / min(max(shrink, _SHRINK), 0.5)) / math.acosh(middle / half)
    count = min(max(math.ceil(degree), 1), _LONGEST)
    roots = middle + half * np.cos(np.pi * (2 * np.arange(count) + 1) / (2 * count))
    rates, distance = [], np.log(roots)  # begins at the largest
    for _ in range(count):
        at = int(distance.argmax())
        rates.append(1 / float(roots[at]))
        with np.errstate(divide="ignore"):
            distance += np.log(np.abs(roots - roots[at]))
    return tuple(rates)


def _below(limit: float) -> str:
    """A limit with three digits, rounded down."""
    rounded = f"{limit:.2e}"
    return f"{float(rounded) if float(rounded) <= limit else limit * (1 - 5e-3):.3g}"
