"""Scaling of features: z-scores or whitened, without those that carry nothing of their own.

Shapes: N rows, F columns (the features, then the squares of some), P trained columns (at most F), T crops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from data.contracts.season_table import Floats
from data.errors import InputError
from tasks.normalise.moments import Moments, triangle

_EPS = float(np.finfo(np.float64).eps)
# rounding of sums, in units of what one operation rounds
_ROUNDING = 64.0
# below this share of variance of its own, squares have lost the digits that tell a feature from the others
_SQUARES_FAIL = 1e-8
# below this share a feature's weight can't be told from that of the others
_REDUNDANT = 1e-3


@dataclass(frozen=True, eq=False)
class Scaling:
    """z = (departure - centre) @ matrix and u = (yield departure - y_centre) / y_scale.

    `matrix_FP` has a row of zeros for each feature in `constant` or `collinear`. `redundant` ones are kept,
    though those before them all but determine them.
    """

    centre_F: Floats
    matrix_FP: Floats
    y_centre_T: Floats
    y_scale_T: Floats
    constant: tuple[str, ...]
    collinear: tuple[str, ...]
    redundant: tuple[str, ...]

    def transform(self, departure_NF: Floats) -> Floats:
        """z_NP in float64; units of one standard deviation."""
        z_NP = np.empty((len(departure_NF), self.matrix_FP.shape[1]))
        self.inputs(departure_NF, z_NP)
        return z_NP

    def inputs(self, departure_NF: Floats, out_NP: npt.NDArray[Any]) -> None:
        """Put z into `out_NP`, rounded to its type."""
        singles = self._singles()
        if singles is None:
            centred_FN = np.empty(departure_NF.shape[::-1])
            for at, centre in enumerate(self.centre_F):
                np.subtract(departure_NF[:, at], centre, out=centred_FN[at])
            matrix_PF = torch.from_numpy(self.matrix_FP).T
            out_NP[:] = (matrix_PF @ torch.from_numpy(centred_FN)).numpy().T
            return
        for at, (feature, factor) in enumerate(singles):
            np.multiply(
                departure_NF[:, feature] - self.centre_F[feature], factor, out=out_NP[:, at],
                casting="same_kind",
            )  # fmt: skip

    def targets(self, departure_NT: Floats, out_NT: npt.NDArray[Any]) -> None:
        """Put u into `out_NT`, rounded to its type; NaN stays NaN."""
        for at in range(departure_NT.shape[1]):
            np.divide(
                departure_NT[:, at] - self.y_centre_T[at], self.y_scale_T[at], out=out_NT[:, at],
                casting="same_kind",
            )  # fmt: skip

    def _singles(self) -> list[tuple[int, float]] | None:
        """Feature and factor of each column where it has but one (z-scores), else None."""
        if (np.count_nonzero(self.matrix_FP, axis=0) != 1).any():
            return None
        features = np.abs(self.matrix_FP).argmax(axis=0)
        return [(int(feature), float(self.matrix_FP[feature, at])) for at, feature in enumerate(features)]

    def inverse(self, z_NP: Floats) -> Floats:
        """Departures [N, F] that `transform` maps to z; left-out features come back as their centre
        (constant) or as what the others imply only where nothing was left out."""
        back = torch.linalg.pinv(torch.from_numpy(self.matrix_FP))
        return np.asarray((torch.from_numpy(z_NP) @ back).numpy()) + self.centre_F


class FittedScaling(NamedTuple):
    """A scaling with `penalty_PP`, the squared weights of z-scores as a quadratic form of the trained ones.

    `delicate`: its squares are too ill conditioned to be transformed.
    """

    scaling: Scaling
    penalty_PP: Floats
    delicate: bool


def fit_scaling(
    moments: Moments,
    departure_NF: Floats,
    magnitude_F: Floats,
    features: tuple[str, ...],
    kind: Literal["standard", "whiten"],
    ridge: float = 0.0,
) -> FittedScaling:
    """Scaling of training rows.

    `magnitude_F` is the largest absolute raw value around; a feature whose departures are rounding
    errors of it is constant. A feature that those before it determine (to rounding errors) is
    collinear and left out, unless a ridge decides between them. `whiten` makes correlation + `ridge` of
    the z-scores the identity. Raises InputError for features too large to be squared and summed.
    """
    if not np.isfinite(moments.all_xx_FF).all():
        large = [name for name, m in zip(features, np.diag(moments.all_xx_FF), strict=True) if not m < np.inf]
        raise InputError(
            f"values of {', '.join(large[:5]) or 'the features'} are too large to be squared; "
            "give the measure a valid range in the settings, [measures.NAME] range, or convert its unit"
        )
    deviation_F = np.sqrt(np.maximum(np.diag(moments.all_xx_FF), 0.0))
    constant_F = deviation_F <= _ROUNDING * _EPS * np.maximum(magnitude_F, np.abs(moments.all_x_F))
    # a feature of zeros and denormal numbers has no scale
    constant_F |= deviation_F < np.finfo(np.float64).tiny ** 0.5
    scale_F = np.where(constant_F, 1.0, deviation_F)
    varied = np.flatnonzero(~constant_F)
    correlation = moments.all_xx_FF[np.ix_(varied, varied)] / np.outer(scale_F[varied], scale_F[varied])
    root = _cholesky(correlation)
    own = np.diag(root) ** 2  # share of variance that those before it leave to a feature
    delicate = ridge == 0 and bool(len(varied)) and float(own.min()) < _SQUARES_FAIL
    if delicate:
        rows = triangle(departure_NF[:, varied], moments.all_x_F[varied], scale_F[varied])
        root = rows / np.sqrt(max(moments.all_rows, 1))
    noise = _ROUNDING * _EPS * float(np.max(magnitude_F[varied] / scale_F[varied], initial=1.0))
    kept = list(range(len(varied)))
    if delicate:
        kept = _independent(root, noise * max(len(varied), 1))
    chosen = varied[kept]
    matrix_FP = np.zeros((len(features), len(kept)))
    if kind == "standard":
        matrix_FP[chosen, range(len(kept))] = 1.0 / scale_F[chosen]
    elif kept:
        # singular vectors of the triangle, not eigenvectors of its square
        _, singular, vectors = torch.linalg.svd(
            torch.from_numpy(np.ascontiguousarray(root[:, kept])), full_matrices=False
        )
        rank = len(kept) if ridge else int((singular > noise * len(kept)).sum())
        rotated = (vectors[:rank].T / (singular[:rank] ** 2 + ridge).sqrt()).numpy()
        matrix_FP = np.zeros((len(features), rank))
        matrix_FP[chosen] = rotated / scale_F[chosen, None]
    if not matrix_FP.shape[1]:
        matrix_FP = np.zeros((len(features), 1))  # a column of zeros, so that there is something to train
    y_scale_T = np.sqrt(moments.yy_T)
    level_T = np.abs(moments.y_T)
    y_scale_T = np.where(y_scale_T > _ROUNDING * _EPS * level_T, y_scale_T, 1.0)
    scaling = Scaling(
        moments.all_x_F,
        matrix_FP,
        moments.y_T,
        y_scale_T,
        tuple(features[at] for at in np.flatnonzero(constant_F)),
        tuple(features[at] for at in varied if at not in set(chosen)),
        tuple(features[at] for at in varied[own < _REDUNDANT] if at in set(chosen)),
    )
    z_score_FP = torch.from_numpy(matrix_FP * scale_F[:, None])
    penalty_PP = np.asarray((z_score_FP.T @ z_score_FP).numpy()) if kept else np.eye(1)
    return FittedScaling(scaling, penalty_PP, delicate)


def _cholesky(correlation: Floats) -> Floats:
    """Upper triangle U with UᵀU = correlation; a pivot that rounding made negative counts as zero."""
    n = len(correlation)
    upper = np.zeros((n, n))
    rest = correlation.copy()
    for at in range(n):
        pivot = np.sqrt(max(rest[at, at], 0.0))
        upper[at, at] = pivot
        if pivot > 0:
            upper[at, at + 1 :] = rest[at, at + 1 :] / pivot
            rest[at + 1 :, at + 1 :] -= np.outer(upper[at, at + 1 :], upper[at, at + 1 :])
    return upper


def _independent(root: Floats, tolerance: float) -> list[int]:
    """Columns of a triangle that are no combination of the kept ones before them."""
    kept: list[int] = []
    basis = np.zeros((len(root), 0))
    for at in range(root.shape[1]):
        rest = root[:, at].copy()
        for _ in range(2):  # the second pass removes what rounding left of the first
            rest -= basis @ (basis.T @ rest)
        size = float(np.linalg.norm(rest))
        if size > tolerance:
            kept.append(at)
            basis = np.column_stack((basis, rest / size))
    return kept
