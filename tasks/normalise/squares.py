"""Squares of features, so that there can be too much of a good thing: columns beside the features themselves.

Shapes: N rows, F features, S squares, X = F + S columns, T crops.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from data.contracts.season_table import Floats


@dataclass(frozen=True, eq=False)
class Squares:
    """Which features have a square, by position, and the values that these are about: (x - centre)²."""

    of: tuple[int, ...]
    centre_S: Floats

    @classmethod
    def fit(cls, x_NF: Floats, features: tuple[str, ...], squared: Collection[str]) -> Self:
        """Squares about the pooled mean of training rows, of those features that are named."""
        chosen = (at for at, name in enumerate(features) if name in squared)
        return cls.of_centres({at: float(x_NF[:, at].mean()) for at in chosen})

    @classmethod
    def of_centres(cls, centres: Mapping[int, float]) -> Self:
        """The squares of features by position, about given centres."""
        of = tuple(sorted(centres))
        return cls(of, np.array([centres[at] for at in of], dtype=np.float64))

    def columns(self, x_NF: Floats) -> Floats:
        """The features with their squares behind them, shape [N, X]; no copy where there is none."""
        if not self.of:
            return x_NF
        N, F = x_NF.shape
        x_NX = np.empty((N, F + len(self.of)))
        x_NX[:, :F] = x_NF
        for s, (at, centre) in enumerate(zip(self.of, self.centre_S, strict=True)):
            np.square(x_NF[:, at] - centre, out=x_NX[:, F + s])
        return x_NX

    def names(self, features: tuple[str, ...]) -> tuple[str, ...]:
        """What the columns are called in messages: the features, then `NAME²`."""
        return (*features, *(f"{features[at]}²" for at in self.of))

    def expand(self, weight_TX: Floats) -> tuple[Floats, Floats]:
        """Weights of x and x² [T, X] for weights of x and (x - centre)², and the constant [T] left."""
        expanded_TX = weight_TX.copy()
        square_TS = weight_TX[:, weight_TX.shape[1] - len(self.of) :]
        for s, (at, centre) in enumerate(zip(self.of, self.centre_S, strict=True)):
            expanded_TX[:, at] -= 2 * centre * square_TS[:, s]
        return expanded_TX, (square_TS * self.centre_S**2).sum(axis=1)
