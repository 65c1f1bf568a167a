"""Breaks in the level of a crop's yields, most likely a change of unit.

Shapes: N yields, R regions, Y calendar years.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.contracts.wording import number

_BEFORE = 5  # seasons whose mean is a region's level
_KNOWN = 3  # of them, at least
_AFTER = 2  # seasons that must agree with the first one, where they exist
_REGIONS = 5  # at least, for a median
_FACTOR = 3.0


@dataclass(frozen=True)
class LevelBreak:
    """From `year` on the yields of the median region are `factor` times those of the five seasons before."""

    year: int
    factor: float
    regions: int


def describe_level_break(year: int, factor: float, regions: int) -> str:
    """A break in words, for whoever has to look at it."""
    return (
        f"from {year} on yields are {number(factor, 3)} times the mean of the five seasons before (median of "
        f"{regions} regions), most likely in another unit"
    )


def find_level_break(
    region_N: npt.NDArray[np.int64], year_N: npt.NDArray[np.int64], yield_N: npt.NDArray[np.float64]
) -> LevelBreak | None:
    """The first break in the level of one crop's yields, or None.

    A region's level is its mean of the five calendar years before a season, at least three of them
    known, and stays fixed. There is a break where the median over at least five regions of yield / level
    is beyond a factor of 3, on the same side, in that season and in each of the next two that exist:
    a harvest that failed everywhere is none, a change of unit in the last season alone is one.
    """
    if not len(yield_N):
        return None
    first = int(year_N.min())
    regions, row_N = np.unique(region_N, return_inverse=True)
    yield_RY = np.full((len(regions), int(year_N.max()) - first + 1), np.nan)
    yield_RY[row_N, year_N - first] = yield_N
    for at in range(_KNOWN, yield_RY.shape[1]):
        before_RY = yield_RY[:, max(at - _BEFORE, 0) : at]
        known_R = np.isfinite(before_RY).sum(axis=1)
        level_R = np.nansum(before_RY, axis=1) / np.maximum(known_R, 1)
        usable_R = (known_R >= _KNOWN) & (level_R > 0)
        ratio_RY = yield_RY[usable_R, at:] / level_R[usable_R, None]
        count_Y = np.isfinite(ratio_RY).sum(axis=0)
        if not count_Y.size or count_Y[0] < _REGIONS:
            continue
        seasons = np.flatnonzero(count_Y >= _REGIONS)[: 1 + _AFTER]
        middle = np.nanmedian(ratio_RY[:, seasons], axis=0)
        if (middle > _FACTOR).all() or (middle < 1 / _FACTOR).all():
            return LevelBreak(first + at, float(middle[0]), int(count_Y[0]))
    return None
