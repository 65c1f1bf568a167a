"""Sums over the rows, gathered in one pass in float64: means, squares and products of features and yields.

Shapes: N rows, F features, T crops.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from data.seasons import Floats

# rows whose sums are formed while they lie in a core's cache, in numbers of float64
_CHUNK = 1 << 16
_SAMPLE = 4096


@dataclass(frozen=True, eq=False)
class Moments:
    """Central moments of each crop's own rows, and of all rows (`all_`).

    Per crop: `rows_T`, means `x_TF` and `y_T`, mean products of departures from them `xx_TFF`,
    `xy_TF`, `yy_T`. All divided by the number of rows. Units: those of what was gathered.
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
        m = torch.from_numpy(matrix_FP)

        def squared(xx: Floats) -> Floats:
            return np.asarray((m.T @ torch.from_numpy(xx) @ m).numpy())

        def moved(x: Floats) -> Floats:
            return np.asarray((torch.from_numpy(x - centre_F) @ m).numpy())

        return type(self)(
            self.rows_T,
            moved(self.x_TF),
            (self.y_T - y_centre_T) / y_scale_T,
            squared(self.xx_TFF),
            np.asarray((torch.from_numpy(self.xy_TF) @ m).numpy()) / y_scale_T[:, None],
            self.yy_T / y_scale_T**2,
            self.all_rows,
            moved(self.all_x_F),
            squared(self.all_xx_FF),
        )


def gather(x_NF: Floats, y_NT: Floats) -> Moments:
    """Moments of features and yields (NaN: not grown) over all rows.

    Stable for large offsets: sums are of departures from the mean of a sample of rows.
    """
    (N, F), T = x_NF.shape, y_NT.shape[1]
    step = max(1, N // _SAMPLE)
    x0_F = x_NF[::step].mean(axis=0, dtype=np.float64) if N else np.zeros(F)
    y0_T = _mean_of_known(y_NT[::step])
    whole = torch.zeros(1 + F + T, 1 + F + T, dtype=torch.float64)
    crops = torch.zeros(T, 2 + F, 2 + F, dtype=torch.float64)
    complete = not np.isnan(y_NT).any()
    for rows in _chunks(N, 1 + F + T):
        a = torch.ones(rows.stop - rows.start, 1 + F + T, dtype=torch.float64)
        np.subtract(x_NF[rows], x0_F, out=a.numpy()[:, 1 : 1 + F])
        np.subtract(y_NT[rows], y0_T, out=a.numpy()[:, 1 + F :])
        if complete:
            whole += a.T @ a
            continue
        whole[: 1 + F, : 1 + F] += a[:, : 1 + F].T @ a[:, : 1 + F]
        for at in range(T):
            own = a[:, [*range(1 + F), 1 + F + at]]
            own = own[~own[:, -1].isnan()]
            crops[at] += own.T @ own
    if complete:
        for at in range(T):
            kept = [*range(1 + F), 1 + F + at]
            crops[at] = whole[kept][:, kept]
    rows_T = crops[:, 0, 0]
    means = crops[:, 0, 1:] / rows_T.clamp(min=1)[:, None]
    products = crops[:, 1:, 1:] / rows_T.clamp(min=1)[:, None, None] - means[:, :, None] * means[:, None, :]
    mean = whole[0, 1 : 1 + F] / max(N, 1)
    return Moments(
        rows_T.numpy(),
        means[:, :F].numpy() + x0_F,
        means[:, F].numpy() + y0_T,
        products[:, :F, :F].numpy(),
        products[:, :F, F].numpy(),
        products[:, F, F].clamp(min=0).numpy(),
        N,
        mean.numpy() + x0_F,
        (whole[1 : 1 + F, 1 : 1 + F] / max(N, 1) - torch.outer(mean, mean)).numpy(),
    )


def triangle(x_NF: Floats, centre_F: Floats, scale_F: Floats) -> Floats:
    """R of the QR factorisation of (x - centre) / scale, shape [F, F], by blocks of rows.

    Keeps the digits that the squares in Moments lose: errors grow with the condition number, not with
    its square.
    """
    F = x_NF.shape[1]
    r_FF = torch.zeros(0, F, dtype=torch.float64)
    for rows in _chunks(len(x_NF), max(F, 1)):
        block = torch.from_numpy((x_NF[rows] - centre_F) / scale_F)
        r_FF = torch.linalg.qr(torch.cat((r_FF, block)), mode="r").R
    padded = torch.zeros(F, F, dtype=torch.float64)
    padded[: len(r_FF)] = r_FF
    return np.asarray(padded.numpy())


def _chunks(N: int, width: int) -> Iterator[slice]:
    size = max(1024, 4 * width, _CHUNK // width)
    for start in range(0, N, size):
        yield slice(start, min(start + size, N))


def _mean_of_known(y_NT: Floats) -> Floats:
    known_NT = ~np.isnan(y_NT)
    total_T: Floats = np.where(known_NT, y_NT, 0.0).sum(axis=0, dtype=np.float64)
    return total_T / np.maximum(known_NT.sum(axis=0), 1)
