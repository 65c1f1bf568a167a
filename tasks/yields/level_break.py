"""Breaks in the level of a crop's yields, of all regions or of one, most likely a change of unit.

Shapes: N yields, R regions, Y calendar years.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.contracts.wording import in_short, number

BEFORE = 5  # seasons whose mean is a region's level
_KNOWN = 3  # of them, at least
_AFTER = 2  # seasons that must agree with the first one, where they exist
_REGIONS = 5  # at least, for a median
_FACTOR = 3.0
_FAR = 8.0  # of one region: in 71,000 real ones no yield is more, one in 4,000 a fallen harvest
_FEW = 5  # regions named


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
    yield_RY, _ = _by_region(region_N, year_N, yield_N)
    for at in range(_KNOWN, yield_RY.shape[1]):
        level_R = _level_before(yield_RY, at)
        usable_R = level_R > 0
        ratio_RY = yield_RY[usable_R, at:] / level_R[usable_R, None]
        count_Y = np.isfinite(ratio_RY).sum(axis=0)
        if not count_Y.size or count_Y[0] < _REGIONS:
            continue
        seasons = np.flatnonzero(count_Y >= _REGIONS)[: 1 + _AFTER]
        middle = np.nanmedian(ratio_RY[:, seasons], axis=0)
        if (middle > _FACTOR).all() or (middle < 1 / _FACTOR).all():
            return LevelBreak(int(year_N.min()) + at, float(middle[0]), int(count_Y[0]))
    return None


@dataclass(frozen=True)
class FarYield:
    """A region's first yield that is `factor` times its own level, the mean of the five seasons before."""

    region: str
    year: int
    factor: float


def find_far_yields(
    region_N: npt.NDArray[np.int64],
    year_N: npt.NDArray[np.int64],
    yield_N: npt.NDArray[np.float64],
    names: Sequence[str],
) -> list[FarYield]:
    """The regions of which one crop's yield is beyond a factor of 8 of the region's own level.

    For each the first such season; `names` are the regions that `region_N` are positions in. A level is
    known as for `find_level_break`; a harvest of zero, which failed, is none.
    """
    if not len(yield_N):
        return []
    yield_RY, regions = _by_region(region_N, year_N, yield_N)
    found: dict[int, FarYield] = {}
    for at in range(_KNOWN, yield_RY.shape[1]):
        level_R = _level_before(yield_RY, at)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio_R = yield_RY[:, at] / level_R
        far_R = np.isfinite(ratio_R) & ((ratio_R > _FAR) | ((ratio_R > 0) & (ratio_R < 1 / _FAR)))
        for region in np.flatnonzero(far_R):
            far = FarYield(str(names[regions[region]]), int(year_N.min()) + at, float(ratio_R[region]))
            found.setdefault(int(region), far)
    return [found[region] for region in sorted(found)]


def describe_far_yields(far: Sequence[FarYield]) -> str:
    """Regions whose yields are far from their own level in words, for whoever has to look at them."""
    listed = [f"{each.region} in {each.year} ({number(each.factor, 3)} times)" for each in far]
    return (
        "yields far from the mean of their region's five seasons before (a failed harvest, or another unit): "
        f"{in_short(listed, _FEW)}"
    )


def far_notes(metrics: Mapping[str, Any]) -> list[str]:
    """A sentence for each crop of which a run's `metrics.json` names regions with far yields."""
    return [
        f"{crop}: {describe_far_yields([FarYield(**each) for each in far])}"
        for season in metrics["seasons"].values()
        for crop, far in season.get("far_yields", {}).items()
    ]


def _by_region(
    region_N: npt.NDArray[np.int64], year_N: npt.NDArray[np.int64], yield_N: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Yields by region and calendar year, NaN where unknown, and the regions."""
    first = int(year_N.min())
    regions, row_N = np.unique(region_N, return_inverse=True)
    yield_RY = np.full((len(regions), int(year_N.max()) - first + 1), np.nan)
    yield_RY[row_N, year_N - first] = yield_N
    return yield_RY, regions


def _level_before(yield_RY: npt.NDArray[np.float64], at: int) -> npt.NDArray[np.float64]:
    """Each region's mean of the five years before one, NaN where fewer than three are known."""
    before_RY = yield_RY[:, max(at - BEFORE, 0) : at]
    known_R = np.isfinite(before_RY).sum(axis=1)
    return np.where(known_R >= _KNOWN, np.nansum(before_RY, axis=1) / np.maximum(known_R, 1), np.nan)
