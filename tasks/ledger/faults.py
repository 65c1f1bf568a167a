"""Faults of values: missing, not a number, outside the valid range."""

from __future__ import annotations

import numpy as np

from data.contracts.season_table import Flags, Floats
from data.contracts.vocabulary import Reason
from data.inputs.parsing import LARGEST, MISSING, SOUND, UNREADABLE, Parsed


def value_faults(
    source: str, parsed: Parsed, bounds: tuple[float | Floats, float | Floats]
) -> list[tuple[Reason, str, Flags]]:
    """What can be wrong with the values of one column, each with the rows (N) it befell."""
    fault_N = np.zeros(len(parsed.value_N), np.uint8) if parsed.fault_N is None else parsed.fault_N
    read_N, finite_N = fault_N == SOUND, np.abs(parsed.value_N) <= LARGEST
    beyond_N = ~((parsed.value_N >= bounds[0]) & (parsed.value_N <= bounds[1]))
    return [
        (Reason.MISSING_VALUE, source, fault_N == MISSING),
        (Reason.NOT_A_NUMBER, source, (fault_N == UNREADABLE) | (read_N & ~finite_N)),
        (Reason.OUT_OF_RANGE, source, read_N & finite_N & beyond_N),
    ]


def finite_range(low: float, high: float) -> tuple[float, float]:
    """A range that ends where numbers do."""
    return max(low, -LARGEST), min(high, LARGEST)
