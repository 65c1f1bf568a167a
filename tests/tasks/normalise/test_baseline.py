"""Baselines and climatologies against sums done by hand."""

import numpy as np
import pytest

from data.settings.schema import TrendLine
from tasks.normalise.baseline import PLAIN_TREND, UNKNOWN, Baseline, Climatology
from tests.tasks.worlds import season_table

INF = float("inf")
REGION = [0] * 12 + [1] * 12 + [2] * 3
YEAR = [*range(1990, 2002), *range(1990, 2002), *range(1999, 2002)]
_RANDOM = np.random.default_rng(0)
YIELD = np.array([2.0, 1.0, 5.0])[REGION] * (np.array(YEAR) - 1990) + 30 + _RANDOM.normal(size=27)
TABLE = season_table(np.zeros((27, 1)), YIELD[:, None], REGION, YEAR)


def _slope(rows: slice, weight: np.ndarray) -> tuple[float, float]:
    t, y, w = np.array(YEAR[rows]), YIELD[rows], weight[rows]
    mean = (w @ t) / w.sum()
    information = w @ (t - mean) ** 2
    return float(w @ ((t - mean) * y)) / information, float(information)


def test_plain_trend_is_a_line_for_each_region() -> None:
    baseline = Baseline.fit(TABLE, "trend", [PLAIN_TREND], 10)
    for code in (0, 1):
        rows = slice(code * 12, code * 12 + 12)
        line = np.polyfit(YEAR[rows], YIELD[rows], 1)
        predicted = baseline.predict(np.array([code, code]), np.array([1985, 2010]))
        np.testing.assert_allclose(predicted[:, 0], np.polyval(line, [1985, 2010]))


def test_slopes_shrink_by_what_the_median_region_knows() -> None:
    weight = 0.5 ** ((2001 - np.array(YEAR)) / 4.0)
    (b0, i0), (b1, i1), (b2, i2) = (
        _slope(rows, weight) for rows in (slice(12), slice(12, 24), slice(24, 27))
    )
    pooled = (i0 * b0 + i1 * b1 + i2 * b2) / (i0 + i1 + i2)
    median = (i0 + i1) / 2
    baseline = Baseline.fit(TABLE, "trend", [TrendLine(half_life=4.0, shrinkage=2.0)], 10)
    pull = 2 * median
    shrunk = [(i * b + pull * pooled) / (i + pull) for b, i in ((b0, i0), (b1, i1))]
    np.testing.assert_allclose(baseline.slope_RT[:, 0], [*shrunk, pooled])
    # an unknown region: the pooled slope through the weighted mean of all rows
    centre = (weight @ np.array(YEAR)) / weight.sum(), (weight @ YIELD) / weight.sum()
    unknown = baseline.predict(np.array([UNKNOWN]), np.array([2010]))
    assert unknown[0, 0] == pytest.approx(centre[1] + pooled * (2010 - centre[0]))


def test_mean_is_plain_and_none_is_zero() -> None:
    mean = Baseline.fit(TABLE, "mean", [TrendLine()], 10)
    assert mean.predict(np.array([2]), np.array([1800]))[0, 0] == pytest.approx(YIELD[24:].mean())
    assert mean.predict(np.array([UNKNOWN]), np.array([1800]))[0, 0] == pytest.approx(YIELD.mean())
    assert (
        not Baseline.fit(TABLE, "none", [TrendLine()], 10)
        .predict(np.array([0, UNKNOWN]), np.array([1, 2]))
        .any()
    )


def test_missing_crops_don_t_count_and_a_region_without_takes_the_pooled_line() -> None:
    other = YIELD.copy()
    other[:12] = np.nan
    table = season_table(np.zeros((27, 1)), np.column_stack((YIELD, other)), REGION, YEAR)
    baseline = Baseline.fit(table, "trend", [PLAIN_TREND], 10)
    alone = Baseline.fit(table.take(slice(12, None)), "trend", [PLAIN_TREND], 10)
    years = np.array([2005])
    np.testing.assert_allclose(
        baseline.predict(np.array([1]), years)[:, 1], alone.predict(np.array([1]), years)[:, 1]
    )
    np.testing.assert_allclose(
        baseline.predict(np.array([0]), years)[:, 1], baseline.predict(np.array([UNKNOWN]), years)[:, 1]
    )


def test_the_shortest_half_life_still_knows_old_regions() -> None:
    table = season_table(
        np.zeros((4, 1)), [[1.0], [3.0], [7.0], [8.0]], [0, 0, 1, 1], [1900, 1901, 2000, 2001]
    )
    baseline = Baseline.fit(table, "trend", [TrendLine(half_life=0.01, shrinkage=1.0)], 2)
    predicted = baseline.predict(np.array([0, 1]), np.array([1901, 2001]))
    assert np.isfinite(predicted).all()
    assert predicted[1, 0] == pytest.approx(8.0)


def test_one_season_has_no_slope() -> None:
    table = season_table(np.zeros((2, 1)), [[1.0], [3.0]], [0, 1], [2000, 2000])
    assert (
        Baseline.fit(table, "trend", [TrendLine()], 2).predict(np.array([1]), np.array([2050]))[0, 0] == 3.0
    )


def test_climatology_is_each_region_s_mean() -> None:
    x = np.random.default_rng(1).normal(1e6, 1, size=(27, 2))
    climatology = Climatology.fit(np.array(REGION), x, 3, "mean")
    expected = [x[:12].mean(0), x[12:24].mean(0), x[24:].mean(0), x.mean(0)]
    np.testing.assert_allclose(climatology.of(np.array([0, 1, 2, UNKNOWN])), expected, rtol=1e-13)


def test_the_trend_is_the_average_of_its_lines() -> None:
    lines = [TrendLine(), TrendLine(half_life=3.0, slope_half_life=20.0, shrinkage=INF)]
    region_N, year_N = np.array([0, 1, 2, UNKNOWN]), np.array([1985, 2003, 2010, 2005])
    together = Baseline.fit(TABLE, "trend", lines, 10).predict(region_N, year_N)
    apart = [Baseline.fit(TABLE, "trend", [line], 10).predict(region_N, year_N) for line in lines]
    np.testing.assert_allclose(together, np.mean(apart, axis=0), rtol=1e-12)


def test_a_slope_has_a_half_life_of_its_own_and_infinite_shrinkage_pools_it() -> None:
    weight, slow = (0.5 ** ((2001 - np.array(YEAR)) / life) for life in (3.0, 20.0))
    own = [_slope(rows, slow) for rows in (slice(12), slice(12, 24), slice(24, 27))]
    pooled = sum(b * i for b, i in own) / sum(i for _, i in own)
    line = TrendLine(half_life=3.0, slope_half_life=20.0, shrinkage=INF)
    baseline = Baseline.fit(TABLE, "trend", [line], 10)
    np.testing.assert_allclose(baseline.slope_RT[:, 0], pooled)
    w, t, y = weight[:12], np.array(YEAR[:12]), YIELD[:12]
    level = (w @ y) / w.sum() + pooled * (2010 - (w @ t) / w.sum())
    assert baseline.predict(np.array([0]), np.array([2010]))[0, 0] == pytest.approx(level)
