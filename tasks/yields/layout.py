"""The layout of a yield file: long or wide, and codes for its names."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data.contracts.season_table import Integers


class NameIndex:
    """Names met so far, numbered in the order of meeting."""

    def __init__(self) -> None:
        self.at: dict[str, int] = {}

    def number(self, names: tuple[str, ...], code_N: npt.NDArray[np.int32]) -> Integers:
        """Numbers (N) of names given as positions; -1 stays -1."""
        known = [self.at.setdefault(name, len(self.at)) for name in names]
        return np.array([*known, -1], np.int64)[code_N]

    def names(self) -> tuple[str, ...]:
        """Names by number."""
        return tuple(self.at)
