"""Breaks in the level of yields: changes of unit are found, bad harvests are none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tasks.yields.level_break import (
    FarYield,
    LevelBreak,
    describe_far_yields,
    find_far_yields,
    find_level_break,
)
from tests.us_data import us_table

FIRST, SEASONS, REGIONS = 1990, 30, 12


def found(yield_RY: npt.NDArray[np.float64]) -> LevelBreak | None:
    year_Y = np.arange(FIRST, FIRST + yield_RY.shape[1])
    region_RY, year_RY = np.meshgrid(np.arange(len(yield_RY)), year_Y, indexing="ij")
    known = np.isfinite(yield_RY)
    return find_level_break(region_RY[known], year_RY[known], yield_RY[known])


@pytest.fixture
def yield_RY() -> npt.NDArray[np.float64]:
    """Yields that rise by 2 % a year and vary by a third."""
    draw = np.random.default_rng(3)
    level_R = draw.uniform(2, 8, size=(REGIONS, 1))
    values = level_R * 1.02 ** np.arange(SEASONS) * draw.lognormal(0, 0.3, size=(REGIONS, SEASONS))
    return np.asarray(values)


def test_sound_yields_have_none(yield_RY: npt.NDArray[np.float64]) -> None:
    assert found(yield_RY) is None
    nothing = np.zeros(0, np.int64)
    assert find_level_break(nothing, nothing, np.zeros(0)) is None


@pytest.mark.parametrize("at", [5, 15, 28, 29])
@pytest.mark.parametrize("factor", [15.93, 1 / 15.93, 10.0])
def test_a_change_of_unit_is_found(yield_RY: npt.NDArray[np.float64], at: int, factor: float) -> None:
    yield_RY[:, at:] *= factor
    broken = found(yield_RY)
    assert broken is not None
    assert broken.year == FIRST + at
    assert broken.factor == pytest.approx(factor, rel=0.6)
    assert broken.regions == REGIONS


def test_a_failed_harvest_is_none_unless_it_is_the_last(yield_RY: npt.NDArray[np.float64]) -> None:
    yield_RY[:, 15] = 0.0
    assert found(yield_RY) is None
    yield_RY[:, 29] = 0.0
    assert found(yield_RY) == LevelBreak(FIRST + 29, 0.0, REGIONS)


def test_too_few_regions_or_seasons_tell_nothing(yield_RY: npt.NDArray[np.float64]) -> None:
    yield_RY[:, 15:] *= 10
    assert found(yield_RY[:4]) is None
    assert found(yield_RY[:, 13:18]) is None
    half = yield_RY[:, 10:20].copy()
    half[:8, :5] = np.nan  # four regions only are known before
    assert found(half) is None


def test_years_may_be_missing(yield_RY: npt.NDArray[np.float64]) -> None:
    yield_RY[:, 15:] *= 10
    yield_RY[:, [13, 16, 17]] = np.nan
    broken = found(yield_RY)
    assert broken is not None
    assert broken.year == FIRST + 15


def far(yield_RY: npt.NDArray[np.float64]) -> list[FarYield]:
    year_Y = np.arange(FIRST, FIRST + yield_RY.shape[1])
    region_RY, year_RY = np.meshgrid(np.arange(len(yield_RY)), year_Y, indexing="ij")
    known = np.isfinite(yield_RY)
    names = [f"R{number}" for number in range(len(yield_RY))]
    return find_far_yields(region_RY[known], year_RY[known], yield_RY[known], names)


@pytest.mark.parametrize("at", [3, 15, 29])
@pytest.mark.parametrize("factor", [100.0, 1000.0, 1 / 1000])
def test_one_region_in_another_unit_is_named(
    yield_RY: npt.NDArray[np.float64], at: int, factor: float
) -> None:
    assert far(yield_RY) == []
    yield_RY[7, at:] *= factor
    yield_RY[2, 20] = 0.0  # failed
    assert found(yield_RY) is None
    (only,) = far(yield_RY)
    assert (only.region, only.year) == ("R7", FIRST + at)
    assert only.factor == pytest.approx(factor, rel=0.9)
    assert f"R7 in {FIRST + at} (" in describe_far_yields([only])


def test_real_yields_are_far_from_their_level_only_where_a_harvest_fell() -> None:
    """Of 17,000 yields from 1960 on none is more than 8 times, and few fall to an eighth."""
    table = us_table()
    for at, most in enumerate((5, 0)):
        known = np.isfinite(table.y_NT[:, at])
        said = find_far_yields(
            table.region_N[known], table.year_N[known], table.y_NT[known, at], table.region_names
        )
        assert len(said) <= most
        assert all(each.factor < 1 for each in said)
