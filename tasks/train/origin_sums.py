"""Sums of weather over rows as seasons are added: each region's climatology and the z-scores of any origin.

Shapes: N rows, E rows of one season, X columns (the features, then the squares of some), R regions, P columns
that vary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from data.contracts.season_table import Flags, Floats, Integers, SeasonTable
from data.settings.expand import squared_features
from data.settings.schema import Settings
from tasks.normalise.squares import Squares

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows' columns, about values that don't change with the origin; nothing predicted depends on them.

    `x_NX` are features minus their mean and the squares of that, both minus `shift_RX`, each region's own
    means of them, as of rows up to and with the season `first`. `used_N` marks rows with a yield of any crop.
    """

    first: int
    region_N: Integers
    year_N: Integers
    used_N: Flags
    x_NX: Floats
    shift_RX: Floats
    magnitude_NX: Floats
    squares: Squares
    departs: bool

    @classmethod
    def of(cls, table: SeasonTable, settings: Settings, first: int) -> Self:
        """The rows of a table. Later seasons than `first` change nothing but their own columns."""
        early_N, R = table.year_N <= first, len(table.region_names)
        x_NF = table.x_NF - table.x_NF[early_N].sum(axis=0) / max(np.count_nonzero(early_N), 1)
        of = Squares.fit(x_NF, table.features, squared_features(settings)).of
        squares = Squares(of, np.zeros(len(of)))
        x_NX, departs = squares.columns(x_NF), settings.baseline != "none"
        magnitude_NX = np.abs(np.column_stack((table.x_NF, x_NX[:, x_NF.shape[1] :])))
        shift_RX = np.zeros((R, x_NX.shape[1]))
        if departs:
            rows_R = np.maximum(np.bincount(table.region_N[early_N], minlength=R), 1)
            for at in range(x_NX.shape[1]):
                shift_RX[:, at] = np.bincount(table.region_N[early_N], x_NX[early_N, at], R) / rows_R
            x_NX = x_NX - shift_RX[table.region_N]
        used_N = np.asarray(np.isfinite(table.y_NT).any(axis=1))
        return cls(
            first, table.region_N, table.year_N, used_N, x_NX, shift_RX, magnitude_NX, squares, departs
        )


class Climate:
    """Sums of the columns over all rows so far, whatever the crop."""

    def __init__(self, rows: Rows) -> None:
        R, X = rows.shift_RX.shape
        self.rows = rows
        self.rows_R, self.x_RX, self.xx_XX = np.zeros(R), np.zeros((R, X)), np.zeros((X, X))
        self.magnitude_X = np.zeros(X)

    def add(self, season_E: Integers) -> None:
        """One season more, by the positions of its rows."""
        season_E = season_E[self.rows.used_N[season_E]]
        region_E, x_EX = self.rows.region_N[season_E], self.rows.x_NX[season_E]
        self.rows_R[region_E] += 1
        self.x_RX[region_E] += x_EX
        self.xx_XX += product(x_EX.T, x_EX)
        largest_X = self.rows.magnitude_NX[season_E].max(axis=0, initial=0.0)
        self.magnitude_X = np.maximum(self.magnitude_X, largest_X)

    def pooled(self) -> Floats:
        """Mean of the columns over all rows [X]."""
        total_X = (self.x_RX + self.rows_R[:, None] * self.rows.shift_RX).sum(axis=0)
        return np.asarray(total_X / max(self.rows_R.sum(), 1))

    def means(self) -> Floats:
        """Each region's climatology [R, X]; the pooled one where a region has no row yet."""
        if not self.rows.departs:
            return np.zeros_like(self.x_RX)
        own_RX = self.x_RX / np.maximum(self.rows_R, 1)[:, None]
        return np.where(self.rows_R[:, None] > 0, own_RX, self.pooled() - self.rows.shift_RX)

    def z_scores(self) -> Floats:
        """The map [X, P] from columns to z-scores, squares about pooled means, constant columns left out."""
        of, F = self.rows.squares.of, self.x_RX.shape[1] - len(self.rows.squares.of)
        # (x - m)² = x² - 2mx + m²
        map_XX, pooled_X = np.eye(len(self.xx_XX)), self.pooled()
        for s, at in enumerate(of):
            map_XX[at, F + s] = -2 * pooled_X[at]
        rows, mean_RX = max(self.rows_R.sum(), 1.0), self.means()
        apart_RX = self.x_RX - self.rows_R[:, None] * mean_RX
        middle_X = apart_RX.sum(axis=0) / rows
        spread_XX = departed(self.xx_XX, self.x_RX, apart_RX, mean_RX) / rows - np.outer(middle_X, middle_X)
        variance_X = np.diag(product(map_XX.T, product(spread_XX, map_XX)))
        deviation_X = np.sqrt(np.maximum(variance_X, 0.0))
        varied_X = deviation_X > 64 * _EPS * self.magnitude_X
        varied_X &= deviation_X > np.finfo(np.float64).tiny ** 0.5
        return map_XX[:, varied_X] / deviation_X[varied_X]


def departed(xx_XX: Floats, x_RX: Floats, apart_RX: Floats, mean_RX: Floats) -> Floats:
    """Σ (x - c)(x - c)ᵀ from Σ xxᵀ, with Σ x and Σ (x - c) of each region and c its climatology."""
    return xx_XX - product(x_RX.T, mean_RX) - product(mean_RX.T, apart_RX)


def product(left: Floats, right: Floats) -> Floats:
    """Matrix product on one thread, so that it rounds alike everywhere."""
    return np.asarray((torch.from_numpy(left) @ torch.from_numpy(right)).numpy())
