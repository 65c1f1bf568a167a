"""Intervals: the weighting of seasons against exact arithmetic, and coverage over many worlds."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.seasons import Floats, SeasonTable
from data.settings import Settings, parse_settings
from tasks.intervals import LEVELS, calibrate, half_width, rolling_residuals, seasons_needed
from tasks.train import fit_exact
from tests.us_data import CROPS, us_settings, us_table

SEASONS = st.lists(
    st.lists(st.integers(-50, 50), min_size=1, max_size=9).map(lambda values: np.array(values, dtype=float)),
    min_size=1,
    max_size=30,
)


def _settings(**split: int) -> Settings:
    features = [{"measure": "rain", "aggregate": "sum"}]
    raw = {"weather": "w", "yields": "y", "store": "s", "features": features, "split": split}
    return parse_settings(raw, "test")


def _world(seed: int, regions: int, seasons: int, common: float, crops: int = 1) -> SeasonTable:
    """A simulated world: trend, one feature, noise of which the share `common` is a season's alone."""
    rng = np.random.default_rng(seed)
    region_N, year_N = np.repeat(np.arange(regions), seasons), np.tile(np.arange(seasons), regions) + 1960
    x_N = rng.normal(size=(regions, seasons)).ravel()
    shared = np.tile(rng.standard_t(5, size=seasons), regions)
    noise_N = np.sqrt(common) * shared + np.sqrt(1 - common) * rng.normal(size=len(x_N))
    y_N = 3 * rng.normal(size=regions)[region_N] + 0.2 * (year_N - 1960) + x_N + noise_N
    return SeasonTable(
        tuple(f"r{at:02d}" for at in range(regions)),
        region_N,
        year_N,
        np.full(len(x_N), "train"),
        ("rain",),
        x_N[:, None],
        tuple(f"crop{at}" for at in range(crops)),
        np.repeat(y_N[:, None], crops, axis=1),
    )


def _exact_half_width(seasons: list[Floats], level: int) -> float | None:
    """By the definition, in fractions."""
    weight: dict[float, Fraction] = {}
    for residuals in seasons:
        for size in np.abs(residuals).tolist():
            weight[size] = weight.get(size, Fraction(0)) + Fraction(1, len(residuals) * (len(seasons) + 1))
    reached = Fraction(0)
    for size in sorted(weight):
        reached += weight[size]
        if reached >= Fraction(level, 100):
            return size
    return None


@given(SEASONS, st.sampled_from(LEVELS))
def test_half_width_is_the_exact_one(seasons: list[Floats], level: int) -> None:
    assert half_width(seasons, level) == _exact_half_width(seasons, level)


@given(SEASONS, st.sampled_from(LEVELS))
def test_seasons_weigh_alike_whatever_their_order_and_size(seasons: list[Floats], level: int) -> None:
    doubled = [np.concatenate([each, -each]) for each in reversed(seasons)]
    gaps = [np.append(each, np.nan) for each in doubled] + [np.array([np.nan])]
    assert half_width(gaps, level) == half_width(seasons, level)


def test_fewest_seasons() -> None:
    assert [seasons_needed(level) for level in LEVELS] == [4, 19]
    for level, needed in ((80, 4), (95, 19)):
        seasons = [np.full(3, float(at)) for at in range(needed)]
        assert half_width(seasons, level) == needed - 1
        assert half_width(seasons[1:], level) is None
    assert half_width([], 80) is None


def test_too_few_seasons_are_told() -> None:
    few = calibrate(_world(0, 20, 4, 0.5), _settings(), "12-31")
    assert few.seasons == {"crop0": 3}
    assert np.isnan(few.widths(80, ("crop0",))).all()
    assert [sentence.startswith("crop0: no 80 % interval") for sentence in few.sentences()] == [True, False]
    assert "takes 19 training seasons" in few.sentences()[1]
    some = calibrate(_world(0, 20, 10, 0.5), _settings(), "12-31")
    assert np.isfinite(some.widths(80, ("crop0",))).all()
    assert np.isfinite(some.trend_widths(80, ("crop0",))).all()
    assert np.isnan(some.widths(95, ("crop0",))).all()
    assert np.isnan(some.widths(80, ("unheard of",))).all()
    none = calibrate(_world(0, 20, 40, 0.5), _settings(calibration_seasons=0), "12-31")
    assert len(none.sentences()) == 2
    assert "set it to 4 or more" in none.sentences()[0]


def test_nothing_to_calibrate_on() -> None:
    table = _world(0, 20, 1, 0.5)
    assert calibrate(table, _settings(), "12-31").seasons == {"crop0": 0}
    assert calibrate(table.take(slice(0)), _settings(), "12-31").seasons == {"crop0": 0}


def test_a_crop_that_comes_late_is_calibrated_on_its_own_seasons() -> None:
    table = _world(3, 10, 40, 0.5, crops=2)
    table.y_NT[table.year_N < 1990, 1] = np.nan
    found = calibrate(table, _settings(), "12-31")
    assert found.seasons == {"crop0": 25, "crop1": 9}
    assert set(found.half_width) == {(80, "crop0"), (95, "crop0"), (80, "crop1")}


def test_each_season_is_predicted_from_those_before() -> None:
    table, settings = _world(1, 8, 30, 0.5), _settings()
    rows = table.take(table.year_N == 1985)
    model = fit_exact(table.take(table.year_N < 1985), settings, "12-31")
    residual_NT, _ = rolling_residuals(table, 1985, settings, "12-31")
    np.testing.assert_array_equal(residual_NT, rows.y_NT - model.predict(rows))
    spoilt = _world(1, 8, 30, 0.5)
    spoilt.y_NT[spoilt.year_N > 1985] = 1e9
    spoilt.x_NF[spoilt.year_N > 1985] = -1e9
    assert rolling_residuals(spoilt, 1985, settings, "12-31")[0].tobytes() == residual_NT.tobytes()


@pytest.mark.parametrize("common", [0.9, 0.0])
def test_coverage_over_independent_worlds(common: float) -> None:
    worlds, K = 120, 19
    settings = _settings(calibration_seasons=K)
    covered = dict.fromkeys(LEVELS, 0)
    for seed in range(worlds):
        table = _world(1000 + seed, 5, 26 + K, common)
        season = int(table.year_N.max())
        found = calibrate(table.take(table.year_N < season), settings, "12-31")
        residual_NT, _ = rolling_residuals(table, season, settings, "12-31")
        for level in LEVELS:  # one row of a world: its rows aren't independent of one another
            covered[level] += bool(abs(residual_NT[0, 0]) <= found.half_width[level, "crop0"])
    for level in LEVELS:
        lowest, highest = _binomial_bounds(worlds, level / 100, 1e-4)
        assert covered[level] >= lowest
        # rows that differ within a season are covered more often than promised
        assert common == 0.0 or covered[level] <= highest


def _binomial_bounds(n: int, p: float, tail: float) -> tuple[int, int]:
    """Numbers of successes beyond which less than `tail` of a binomial distribution lies, on either side."""
    cumulated = np.cumsum([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])
    return int(np.searchsorted(cumulated, tail)), int(np.searchsorted(cumulated, 1 - tail))


def test_us_coverage_over_decades() -> None:
    """Each season from 1987 on by intervals of the 25 before it: seasons as unlike as 1993 and 2009."""
    table, settings = us_table(), us_settings()
    residuals = {
        season: rolling_residuals(table, season, settings, "09-30")[0] for season in range(1962, 2023)
    }
    for at in range(len(CROPS)):
        for level, least, most in ((80, 0.72, 0.87), (95, 0.90, 0.98)):
            covered = []
            for season in range(1987, 2023):
                width = half_width([residuals[each][:, at] for each in range(season - 25, season)], level)
                size_N = np.abs(residuals[season][:, at])
                covered.append(np.mean(size_N[np.isfinite(size_N)] <= width))
            assert least <= np.mean(covered) <= most
