"""The learning rate: bounded by the curvature of the actual blocks, decaying to zero.

Shapes: P trained columns, T crops, K blocks, M eigenvalues.

The objective is quadratic, so its Hessian is known without knowing its minimum: H_c = (2/T) times the
mean of z̃z̃ᵀ over crop c's rows, z̃ = (z, 1), plus the ridge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from data.errors import SettingsError
from data.settings.schema import Training
from tasks.train.batches import Blocks

# squarings in the bound of an eigenvalue: it exceeds the eigenvalue by a factor of P^(1/32) at most
_SQUARINGS = 5
# how far a direction may outgrow the yields' deviation on the way, tried in this order
_CEILINGS = (1.0, 10.0, 1e2, 1e3, math.inf)
# predicted weight of a direction that counts as settled: 1e-8 of the objective
_SETTLED = 1e-4


@dataclass(frozen=True)
class Curvature:
    """Largest eigenvalue over the blocks, and all eigenvalues of the whole (M of them, any order)."""

    of_blocks: float
    whole_M: tuple[float, ...]


@dataclass(frozen=True)
class Plan:
    """The rate of every step.

    `constant_epochs` epochs step after each batch at `rate`, the last of them decaying to zero. Of the
    `decay` rates, one for each epoch that remains, the automatic plan (`whole`) takes one step
    an epoch along the gradient of all its batches; otherwise they hold for each batch.
    """

    rate: float
    constant_epochs: int
    decay: tuple[float, ...]
    whole: bool

    def rate_at(self, epoch: int, decay_start: int, batch: int, batches: int) -> float:
        """Rate of a step, settling having begun at the epoch `decay_start` (0-based)."""
        if epoch >= decay_start:
            at = min(epoch - decay_start, len(self.decay) - 1)
            if self.whole:
                return self.decay[at]
            after = self.decay[at + 1] if at + 1 < len(self.decay) else 0.0
            return self.decay[at] + (after - self.decay[at]) * batch / batches
        if self.whole and epoch == self.constant_epochs - 1:
            return self.rate * (batches - batch) / batches
        return self.rate


def measure(blocks: Blocks, weight_decay: float) -> Curvature:
    """Curvature of the dealt rows' loss, block by block and whole, in float64."""
    K, T, P = len(blocks), blocks.crops, blocks.inputs
    complete = all(rows == sum(blocks.sizes) for rows in blocks.observed_T)
    ridge = torch.diag(torch.tensor([weight_decay] * P + [0.0], dtype=torch.float64))
    whole = torch.zeros(1 if complete else T, P + 1, P + 1, dtype=torch.float64)
    largest = 0.0
    for block in range(K):
        x_BP, _, observed_BT = blocks.split(blocks[block])
        z = torch.ones(P + 1, len(x_BP), dtype=torch.float64)
        z[:P] = x_BP.T
        share = torch.empty_like(whole)
        for at in range(len(whole)):
            own = z if observed_BT is None else z[:, observed_BT[:, at] > 0]
            share[at] = own @ own.T * (2 / (T * max(blocks.observed_T[at], 1.0)))
        whole += share
        largest = max(largest, _largest_eigenvalue(share * K + ridge))
    values = torch.linalg.eigvalsh(whole + ridge).flatten().tolist()
    return Curvature(max(largest, *values), tuple(values))


def _largest_eigenvalue(h: Tensor) -> float:
    """An upper bound of the largest eigenvalue of symmetric matrices [..., n, n], tight to n^(1/32).

    λ <= trace(H^m)^(1/m), with m = 32 by squaring.
    """
    scale = h.diagonal(dim1=-2, dim2=-1).sum(-1).clamp(min=torch.finfo(h.dtype).tiny)
    power = h / scale[..., None, None]
    for _ in range(_SQUARINGS):
        power = power @ power
    trace = power.diagonal(dim1=-2, dim2=-1).sum(-1).clamp(min=0)
    return float((scale * trace ** (1 / 2**_SQUARINGS)).max())


def plan_steps(curvature: Curvature, training: Training, batches: int, rows: int, decay: bool = True) -> Plan:
    """Rates for a training run. Raises SettingsError where the given rate must diverge.

    A given rate is constant over the first half of the epochs and then falls to zero (`decay`
    False: constant throughout). Gradient descent on the mean curvature diverges beyond
    2 (1 + μ) / λ, with Nesterov 2 (1 + μ) / ((1 + 2 μ) λ), λ the largest eigenvalue of the whole.

    `auto` is (1 - μ) / λ, λ the largest eigenvalue over the blocks: then no step on any block
    lengthens the error. See `settling_rates` for its decay.
    """
    epochs, momentum = training.epochs, training.momentum
    if training.learning_rate != "auto":
        limit = 2 * (1 + momentum) / max(curvature.whole_M)
        if training.nesterov:
            limit /= 1 + 2 * momentum
        if training.learning_rate > limit:
            raise SettingsError(
                f"training.learning_rate: {training.learning_rate:g} must diverge on these rows; the "
                f"largest that can work is {_below(limit)}, or write 'auto'"
            )
        if not decay:
            return Plan(training.learning_rate, epochs, (), False)
        falling = epochs - epochs // 2
        rates = tuple(training.learning_rate * (falling - at) / falling for at in range(falling))
        return Plan(training.learning_rate, epochs // 2, rates, False)
    rate = (1 - momentum) / curvature.of_blocks
    # one batch is the whole: nothing to cruise for, unless validation is to say when to settle
    constant_epochs = 0 if batches == 1 and not training.patience else (epochs + 1) // 2
    precision = torch.finfo(getattr(torch, training.precision)).eps
    steps = max(0, constant_epochs * batches - batches // 2)
    return Plan(
        rate,
        constant_epochs,
        settling_rates(curvature.whole_M, epochs - constant_epochs, rate, steps, rows, precision),
        True,
    )


def settling_rates(
    whole_M: tuple[float, ...], epochs: int, rate: float, steps: int, rows: int, precision: float
) -> tuple[float, ...]:
    """One rate per settling epoch: the steps of a polynomial in H that vanishes on its eigenvalues.

    A step of 1/r multiplies the error along the eigenvalue λ by (1 - λ/r): it removes the direction
    of λ = r and enlarges steeper ones, which later steps remove again (Richardson's iteration with
    Leja's ordering; Reichel 1991). What is predicted is each direction's weight, the square root of
    what it adds to the objective: √λ · error, with an error of 1 in units of the yields' deviation at
    the start, shrunk by `steps` at `rate`, but no weight below √(2/M/rows), the sampling noise in
    a least-squares solution. Each step removes the direction that weighs most, among those whose
    removal lets no other grow beyond a ceiling. The lowest ceiling that settles is taken, so that the
    loss doesn't leap on its way where it needn't. Predictions include rounding: steps end where the heaviest
    direction weighs least, and epochs beyond that take the safe rate 1/λ_max.
    """
    values_M = torch.tensor(whole_M, dtype=torch.float64)
    top = float(values_M.max())
    # directions flatter than rounding can't be told from flat
    values_M = values_M[values_M > top * max(precision**2, 1e-15)].unique()  # type: ignore[no-untyped-call]
    weight_M = values_M.sqrt() * (1 - rate * values_M).abs() ** steps + (2 / len(values_M) / rows) ** 0.5
    best, roots = math.inf, []
    for ceiling in _CEILINGS:
        reached, found = _roots(values_M, weight_M, epochs, ceiling, precision)
        if reached < best:
            best, roots = reached, found
        if best < _SETTLED:
            break
    return tuple([1 / root for root in roots] + [1 / top] * (epochs - len(roots)))


def _roots(
    values_M: Tensor, weight_M: Tensor, epochs: int, ceiling: float, precision: float
) -> tuple[float, list[float]]:
    """Least weight of the heaviest direction that is reached, and the roots up to there."""
    roots: list[float] = []
    best, kept = float(weight_M.max()), 0
    ceiling = max(ceiling, best)
    ratio_MM = values_M / values_M[:, None]  # row: the root, column: the direction
    factor_MM = (1 - ratio_MM).abs().clamp(min=precision)
    for _ in range(epochs):
        after_MM = factor_MM * weight_M + ratio_MM * (precision * (1 + float(weight_M.max())))
        heaviest_M = after_MM.amax(dim=1)
        allowed_M = heaviest_M <= ceiling
        choice = int(torch.where(allowed_M, weight_M, -heaviest_M).argmax())
        roots.append(float(values_M[choice]))
        weight_M = after_MM[choice]
        if float(weight_M.max()) <= best:
            best, kept = float(weight_M.max()), len(roots)
    return best, roots[:kept]


def _below(limit: float) -> str:
    """A limit with three digits, rounded down."""
    rounded = f"{limit:.2e}"
    return f"{float(rounded) if float(rounded) <= limit else limit * (1 - 5e-3):.3g}"
