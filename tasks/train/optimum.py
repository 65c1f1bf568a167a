"""The exact least-squares optimum, and the excess of a fit above it.

J = (1/T) Σ_c (MSE_c + λ_c ‖w_c‖²), over each crop's own rows in scaled units, w_c the weights of z-scores,
biases free of the penalty. Where figures leave this room they are in yield units: Σ_c s_c² J_c, s_c the unit
that crop c trains in. Shapes: P trained columns, T crops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from data.contracts.season_table import Floats
from tasks.normalise.moments import Moments

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Optimum:
    """Exact minimiser in scaled units, its objective per crop, and each crop's curvature.

    `curvature_TPP` is half the Hessian over the weights, bias eliminated, times T;
    `null_TPP` takes from weights what only directions in which a crop's own rows don't vary account for
    (no ridge), and leaves the shortest weights of z-scores.
    """

    weight_TP: Floats
    bias_T: Floats
    objective_T: Floats
    curvature_TPP: Floats
    null_TPP: Floats


@dataclass(frozen=True)
class Certificate:
    """J(fit) / J* - 1, pooled and per crop; None where J* is zero to rounding."""

    excess: float | None
    excess_T: tuple[float | None, ...]
    objective: float
    objective_T: tuple[float, ...]


def solve(moments: Moments, ridge_T: Floats, penalty_PP: Floats) -> Optimum:
    """Minimise J from scaled moments; the shortest weights of z-scores where rows leave them open."""
    T, P = moments.x_TF.shape
    curvature = torch.from_numpy(moments.xx_TFF + ridge_T[:, None, None] * penalty_PP)
    values, vectors = torch.linalg.eigh(curvature)
    floor = values.amax(dim=-1, keepdim=True).clamp(min=0) * (_EPS * 64 * max(P, 1)) if P else values
    open_TP = values <= floor
    inverse = torch.where(open_TP, 0.0, 1.0 / torch.where(open_TP, 1.0, values))
    right = torch.from_numpy(moments.xy_TF)[:, :, None]
    weight = vectors @ (inverse[:, :, None] * (vectors.mT @ right))
    for _ in range(2):  # refinement takes back what the eigenvectors' rounding cost
        weight += vectors @ (inverse[:, :, None] * (vectors.mT @ (right - curvature @ weight)))
    quadratic = (weight * (curvature @ weight)).sum(dim=(1, 2)) - 2 * (weight * right).sum(dim=(1, 2))
    null_TPP = np.zeros((T, P, P))
    for crop in np.flatnonzero(open_TP.any(dim=1).numpy()):
        open_PK = vectors[crop][:, open_TP[crop]].numpy()
        metric_KP = open_PK.T @ penalty_PP
        null_TPP[crop] = open_PK @ np.linalg.pinv(metric_KP @ open_PK) @ metric_KP
    weight_TP = weight[:, :, 0].numpy()
    weight_TP = weight_TP - np.einsum("tpq,tq->tp", null_TPP, weight_TP)
    return Optimum(
        weight_TP,
        moments.y_T - (weight_TP * moments.x_TF).sum(axis=1),
        np.maximum(moments.yy_T + quadratic.numpy(), 0.0) / max(T, 1),
        curvature.numpy(),
        null_TPP,
    )


def certify(
    optimum: Optimum,
    moments: Moments,
    weight_TP: Floats,
    bias_T: Floats,
    y_scale_T: Floats,
    y_noise_T: Floats,
) -> Certificate:
    """How far weights (scaled units) are from the optimum, without cancellation.

    J(w) - J* = (w - w*)ᵀ A (w - w*) / T + (Δb + z̄·Δw)² / T, with A the curvature and Δb the
    difference of biases: a sum of squares, never negative. `y_noise_T` is the rounding error of a
    yield in scaled units; a J* that small is no error of the model. Objectives in yield units squared.
    """
    T = len(bias_T)
    off_TP = weight_TP - optimum.weight_TP
    level_T = bias_T - optimum.bias_T + (moments.x_TF * off_TP).sum(axis=1)
    gap_T = (np.einsum("tp,tpq,tq->t", off_TP, optimum.curvature_TPP, off_TP) + level_T**2) / T
    best_T = optimum.objective_T * y_scale_T**2
    zero_T = optimum.objective_T <= y_noise_T**2 / T
    above_T = np.maximum(gap_T, 0.0) * y_scale_T**2
    per_crop = tuple(
        None if zero else float(above / best)
        for zero, above, best in zip(zero_T, above_T, best_T, strict=True)
    )
    pooled = None if zero_T.all() else float(above_T.sum() / best_T.sum())
    return Certificate(pooled, per_crop, float(best_T.sum()), tuple(float(best) for best in best_T))
