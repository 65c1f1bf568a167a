"""Intervals: what they are calibrated on, coverage over many worlds and over decades of real seasons."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from data.contracts.season_table import Flags, SeasonTable
from data.contracts.vocabulary import LEVELS
from data.settings.files import parse_settings
from data.settings.schema import Settings
from tasks.evaluate.calibration import calibrate, leads_to
from tasks.evaluate.conformal import Widths, fit_widths
from tasks.evaluate.season_errors import SeasonErrors, rolling_origin_errors
from tasks.train.fit import fit_exact
from tests.us_data import CROPS, us_settings, us_table


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


def test_too_few_seasons_are_told() -> None:
    world = _world(0, 20, 4, 0.5)
    few = calibrate(world, _settings())
    assert few.seasons == {"crop0": 3}
    assert np.isnan(few.model.of(80, ("crop0",), world)).all()
    assert [sentence.startswith("crop0: no 80 % interval") for sentence in few.sentences()] == [True, False]
    assert "takes 19 training seasons" in few.sentences()[1]
    # what no setting can change isn't asked for
    short = calibrate(_world(0, 20, 6, 0.5), _settings(calibration_seasons=4))
    assert [sentence.endswith("there are 5") for sentence in short.sentences()] == [True]
    some = calibrate(_world(0, 20, 10, 0.5), _settings())
    assert np.isfinite(some.model.of(80, ("crop0",), world)).all()
    assert np.isfinite(some.trend.of(80, ("crop0",), world)).all()
    assert np.isnan(some.model.of(95, ("crop0",), world)).all()
    assert np.isnan(some.model.of(80, ("unheard of",), world)).all()
    none = calibrate(_world(0, 20, 40, 0.5), _settings(calibration_seasons=0))
    assert len(none.sentences()) == 2
    assert "set it to 4 or more" in none.sentences()[0]


def test_only_seasons_that_can_be_predicted_are_asked_for() -> None:
    """Early seasons of few rows have no model; a crop with gaps needs more of all crops' seasons."""
    one_region = _world(0, 1, 21, 0.5)  # three rows are needed, and come before 18 of 21 seasons
    (said,) = calibrate(one_region, _settings(calibration_seasons=9)).sentences()
    assert said.endswith("there are 18")
    assert len(calibrate(_world(0, 1, 22, 0.5), _settings(calibration_seasons=18)).sentences()) == 1
    assert calibrate(_world(0, 1, 22, 0.5), _settings(calibration_seasons=19)).sentences() == ()
    gaps = _world(0, 10, 50, 0.5, crops=2)
    gaps.y_NT[gaps.year_N % 2 == 1, 1] = np.nan
    (said,) = calibrate(gaps, _settings(calibration_seasons=25)).sentences()
    asked = re.search(r"calibration_seasons is 25, set it to (\d+) or more", said)
    assert asked is not None
    assert calibrate(gaps, _settings(calibration_seasons=int(asked[1]))).sentences() == ()
    assert calibrate(gaps, _settings(calibration_seasons=int(asked[1]) - 1)).sentences() != ()


def test_nothing_to_calibrate_on() -> None:
    table = _world(0, 20, 1, 0.5)
    assert calibrate(table, _settings()).seasons == {"crop0": 0}
    assert calibrate(table.take(slice(0)), _settings()).seasons == {"crop0": 0}


def test_a_crop_that_comes_late_is_calibrated_on_its_own_seasons() -> None:
    table = _world(3, 10, 40, 0.5, crops=2)
    table.y_NT[table.year_N < 1990, 1] = np.nan
    found = calibrate(table, _settings())
    assert found.seasons == {"crop0": 25, "crop1": 9}
    assert set(found.model.next_season().factor) == {(80, "crop0"), (95, "crop0"), (80, "crop1")}


def test_each_season_is_predicted_from_those_before() -> None:
    table, settings = _world(1, 8, 30, 0.5), _settings()
    rows = table.take(table.year_N == 1985)
    model = fit_exact(table.take(table.year_N < 1985), settings, "12-31")
    errors = rolling_origin_errors(table, settings, {1984: [1985]})[1984, 1985]
    np.testing.assert_allclose(errors.model_ET, rows.y_NT - model.predict(rows), atol=1e-12)
    np.testing.assert_array_equal(errors.region_E, rows.region_N)
    elsewhere = replace(rows, region_names=tuple(f"new {name}" for name in rows.region_names))
    np.testing.assert_allclose(errors.unseen_ET, rows.y_NT - model.predict(elsewhere), atol=1e-12)
    spoilt = _world(1, 8, 30, 0.5)
    spoilt.y_NT[spoilt.year_N > 1985] = 1e9
    spoilt.x_NF[spoilt.year_N > 1985] = -1e9
    again = rolling_origin_errors(spoilt, settings, {1984: [1985]})[1984, 1985]
    assert again.model_ET.tobytes() == errors.model_ET.tobytes()


def test_regions_not_seen_have_wider_intervals() -> None:
    world = _world(2, 30, 40, 0.3)
    widths = calibrate(world, _settings()).model
    seen_NT = widths.of(80, ("crop0",), world)
    elsewhere = replace(world, region_names=tuple(f"new {name}" for name in world.region_names))
    unseen_NT = widths.of(80, ("crop0",), elsewhere)
    # the levels of regions differ with a standard deviation of 3, all else with about 1
    assert unseen_NT.min() > 2 * seen_NT.max()


def test_a_season_further_ahead_has_wider_intervals_from_errors_of_its_own_lead() -> None:
    """A random walk of all regions together: errors grow with the root of the lead."""
    world, settings = _world(5, 12, 60, 0.2), _settings()
    drift = np.random.default_rng(5).normal(size=60).cumsum()
    world.y_NT[:] += 3 * drift[world.year_N - world.year_N.min(), None]
    train = world.take(world.year_N < 2000)
    assert leads_to(train, world) == tuple(range(1, 21))
    found = calibrate(train, settings, (1, 5))
    assert sorted(found.model.by_lead) == [1, 5]
    errors = rolling_origin_errors(train, settings, {1994: [1995, 1999]})
    last = train.take(train.year_N == 1999)
    model = fit_exact(train.take(train.year_N <= 1994), settings, "12-31")
    np.testing.assert_allclose(errors[1994, 1999].model_ET, last.y_NT - model.predict(last), atol=1e-12)

    def width(year: int) -> float:
        rows = world.take(world.year_N == year)
        return float(found.model.of(80, ("crop0",), rows)[0, 0])

    assert width(2000) == width(2003) == width(1990)
    assert width(2004) == width(2019) > 1.3 * width(2000)


def test_where_a_lead_has_too_few_seasons_the_one_before_serves() -> None:
    world = _world(6, 12, 24, 0.2)
    found = calibrate(world, _settings(), (1, 9))
    assert (95, "crop0") in found.model.by_lead[1].factor
    assert (95, "crop0") not in found.model.by_lead[9].factor
    far = replace(world, year_N=world.year_N + 100)
    near = replace(world, year_N=world.year_N + 24)
    np.testing.assert_array_equal(
        found.model.of(95, ("crop0",), far)[:5], found.model.of(95, ("crop0",), near)[:5]
    )


@pytest.mark.parametrize("common", [0.9, 0.3, 0.0])
def test_coverage_over_independent_worlds(common: float) -> None:
    """However much the rows of a season have in common, the promised share lies inside: not less, not more.

    Counted in worlds, one row of each, because rows of one world aren't independent of one another.
    """
    worlds, K = 200, 19
    settings = _settings(calibration_seasons=K)
    covered = dict.fromkeys(LEVELS, 0)
    for seed in range(worlds):
        table = _world(1000 + seed, 5, 26 + K, common)
        season = int(table.year_N.max())
        found = calibrate(table.take(table.year_N < season), settings)
        asked = (season - 1, season)
        error = rolling_origin_errors(table, settings, {asked[0]: asked[1:]})[asked].model_ET[0, 0]
        rows = table.take(table.year_N == season)
        for level in LEVELS:
            covered[level] += bool(abs(error) <= found.model.of(level, ("crop0",), rows)[0, 0])
    for level in LEVELS:
        lowest, highest = _binomial_bounds(worlds, level / 100, 1e-3)
        assert lowest <= covered[level] <= highest


def _binomial_bounds(n: int, p: float, tail: float) -> tuple[int, int]:
    """Numbers of successes beyond which less than `tail` of a binomial distribution lies, on either side."""
    cumulated = np.cumsum([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])
    return int(np.searchsorted(cumulated, tail)), int(np.searchsorted(cumulated, 1 - tail))


@pytest.mark.parametrize(("first", "last"), [(1987, 2012), (2013, 2022)])
def test_us_coverage(first: int, last: int) -> None:
    """Each season by intervals of the 25 before it: decades as unlike as that of 1993 and that of 2019."""
    for at in range(len(CROPS)):
        for level, least, most in ((80, 0.72, 0.87), (95, 0.90, 0.98)):
            inside = np.concatenate([_us_inside(season, at, level) for season in range(first, last + 1)])
            assert least <= np.mean(inside) <= most, (CROPS[at], level, np.mean(inside))


def test_us_coverage_of_thirteen_test_seasons() -> None:
    """The reference figures' split: trained up to 2009, predicted up to 13 seasons ahead, as `train` does."""
    table, settings = us_table(), us_settings()
    train, test = table.take(table.year_N < 2010), table.take(table.year_N >= 2010)
    widths = calibrate(train, settings, leads_to(train, test)).model
    size_NT = np.abs(test.y_NT - fit_exact(train, settings, "09-30").predict(test))
    for level, least, most in ((80, 0.71, 0.87), (95, 0.90, 0.98)):
        inside_NT = size_NT <= widths.of(level, CROPS, test)
        covered = [np.mean(inside_NT[np.isfinite(size_NT[:, at]), at]) for at in range(len(CROPS))]
        assert least <= min(covered) <= max(covered) <= most


def _us_inside(season: int, at: int, level: int) -> Flags:
    """Which rows of a season lie within an interval calibrated on the 25 seasons before it."""
    widths, errors = _us_widths(season), _us_errors(season)
    scale_E = widths.scale_RT[errors.region_E, at] * widths.factor[level, CROPS[at]]
    size_E = np.abs(errors.model_ET[:, at])
    known_E = np.isfinite(size_E)
    return np.asarray(size_E[known_E] <= scale_E[known_E])


@cache
def _us_widths(season: int) -> Widths:
    errors = [_us_errors(each) for each in range(season - 25, season)]
    regions, found = [each.region_E for each in errors], [each.model_ET for each in errors]
    return fit_widths(us_table().region_names, CROPS, regions, found, us_settings().min_trend_seasons)


def _us_errors(season: int) -> SeasonErrors:
    return _us_all_errors()[season - 1, season]


@cache
def _us_all_errors() -> Mapping[tuple[int, int], SeasonErrors]:
    asked = {season - 1: [season] for season in range(1961, 2023)}
    return rolling_origin_errors(us_table(), us_settings(), asked)
