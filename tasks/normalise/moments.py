"""Moments: means and mean products of features and yields, gathered in one pass in float64.

Shapes: N rows, F features, T crops.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from data.contracts.season_table import Floats

# numbers whose products are summed at a time: more waste the cache, fewer the call
_CHUNK = 1 << 18
_SAMPLE = 4096


@dataclass(frozen=True, eq=False)
class Moments:
    """Central moments of each crop's own rows, and of all rows (`all_`), divided by their number.

    Per crop: `rows_T`, means `x_TF` and `y_T`, and mean products of departures from them `xx_TFF`,
    `xy_TF`, `yy_T`, in the units of what was gathered.
    """

    rows_T: Floats
    x_TF: Floats
    y_T: Floats
    xx_TFF: Floats
    xy_TF: Floats
    yy_T: Floats
    all_rows: int
    all_x_F: Floats
    all_xx_FF: Floats

    def scaled(self, centre_F: Floats, matrix_FP: Floats, y_centre_T: Floats, y_scale_T: Floats) -> Self:
        """The moments of z = (x - centre) @ matrix and u = (y - y_centre) / y_scale."""
        matrix = torch.from_numpy(matrix_FP)

        def moved(x: Floats) -> Floats:
            return np.asarray((torch.from_numpy(x) @ matrix).numpy())

        def squared(xx: Floats) -> Floats:
            return np.asarray((matrix.T @ torch.from_numpy(xx) @ matrix).numpy())

        return type(self)(
            self.rows_T,
            moved(self.x_TF - centre_F),
            (self.y_T - y_centre_T) / y_scale_T,
            squared(self.xx_TFF),
            moved(self.xy_TF) / y_scale_T[:, None],
            self.yy_T / y_scale_T**2,
            self.all_rows,
            moved(self.all_x_F - centre_F),
            squared(self.all_xx_FF),
        )

    def retarget(self, x_NF: Floats, y_NT: Floats) -> Self:
        """The moments of the same features, which must be departures, with other yields of the same rows."""
        rows_T = np.maximum(self.rows_T, 1)
        y_T = np.nansum(y_NT, axis=0) / rows_T
        apart_NT = np.nan_to_num(y_NT - y_T)
        products_TF = (torch.from_numpy(apart_NT).T @ torch.from_numpy(x_NF)).numpy()
        return replace(
            self, y_T=y_T, xy_TF=products_TF / rows_T[:, None], yy_T=(apart_NT**2).sum(axis=0) / rows_T
        )


def compute_moments(x_NF: Floats, y_NT: Floats) -> Moments:
    """Moments of features and yields (NaN: not grown) over all rows.

    Stable for large offsets (years, kelvins): what is summed are departures from a sample's mean.
    """
    (N, F), T = x_NF.shape, y_NT.shape[1]
    shift_C = _sample_means(x_NF, y_NT)
    C = len(shift_C)  # 1, features, yields
    everything = torch.zeros(C, C, dtype=torch.float64)
    own = torch.zeros(T, 1 + F, 1 + F, dtype=torch.float64)
    for a_CB in _columns(x_NF, y_NT, shift_C):
        y_TB = a_CB[1 + F :]
        observed_TB = ~y_TB.isnan()
        complete = bool(observed_TB.all())
        if not complete:
            y_TB.nan_to_num_(0.0)
            for at in range(T):
                rows_CB = a_CB[: 1 + F, observed_TB[at]]
                own[at] += rows_CB @ rows_CB.T
        products = a_CB @ a_CB.T
        everything += products
        if complete:
            own += products[: 1 + F, : 1 + F]
    rows = own[:, 0, 0].clamp(min=1.0)
    x_TF = own[:, 0, 1:] / rows[:, None]
    y_T = everything[0, 1 + F :] / rows
    xy_TF = everything[1 + F :, 1 : 1 + F] / rows[:, None] - x_TF * y_T[:, None]
    all_x_F = everything[0, 1 : 1 + F] / max(N, 1)
    return Moments(
        own[:, 0, 0].numpy(),
        x_TF.numpy() + shift_C[1 : 1 + F],
        y_T.numpy() + shift_C[1 + F :],
        (own[:, 1:, 1:] / rows[:, None, None] - x_TF[:, :, None] * x_TF[:, None, :]).numpy(),
        xy_TF.numpy(),
        (everything.diagonal()[1 + F :] / rows - y_T**2).clamp(min=0).numpy(),
        N,
        all_x_F.numpy() + shift_C[1 : 1 + F],
        (everything[1 : 1 + F, 1 : 1 + F] / max(N, 1) - torch.outer(all_x_F, all_x_F)).numpy(),
    )


def _columns(x_NF: Floats, y_NT: Floats, shift_C: Floats) -> Iterator[Tensor]:
    """Pieces of the rows as columns (1, features, yields) minus their shift; the memory is reused."""
    (N, F), C = x_NF.shape, len(shift_C)
    size = max(64, _CHUNK // C)
    piece = torch.ones(C, size, dtype=torch.float64)
    for start in range(0, N, size):
        count = min(size, N - start)
        if count < size:
            piece = torch.ones(C, count, dtype=torch.float64)
        values = piece.numpy()
        for at in range(1, C):
            column_N = x_NF[:, at - 1] if at <= F else y_NT[:, at - 1 - F]
            np.subtract(column_N[start : start + count], shift_C[at], out=values[at])
        yield piece


def _sample_means(x_NF: Floats, y_NT: Floats) -> Floats:
    step = max(1, len(x_NF) // _SAMPLE)
    y_ST = y_NT[::step]
    known_ST = ~np.isnan(y_ST)
    y_T = np.where(known_ST, y_ST, 0.0).sum(axis=0) / np.maximum(known_ST.sum(axis=0), 1)
    x_F = x_NF[::step].sum(axis=0, dtype=np.float64) / max(len(y_ST), 1)
    return np.concatenate(([0.0], x_F, y_T))


def triangle(x_NF: Floats, centre_F: Floats, scale_F: Floats) -> Floats:
    """R of the QR factorisation of (x - centre) / scale, shape [F, F], by blocks of rows.

    Keeps the digits that the squares in Moments lose: errors grow with the condition number, not with
    its square.
    """
    F = x_NF.shape[1]
    r_FF = torch.zeros(0, F, dtype=torch.float64)
    size = max(4 * F, _CHUNK // max(F, 1))
    for start in range(0, len(x_NF), size):
        block = torch.from_numpy((x_NF[start : start + size] - centre_F) / scale_F)
        r_FF = torch.linalg.qr(torch.cat((r_FF, block)), mode="r").R
    padded = torch.zeros(F, F, dtype=torch.float64)
    padded[: len(r_FF)] = r_FF
    return np.asarray(padded.numpy())
