"""Widths: the weighting of seasons against exact arithmetic, the scale of regions, what has no width."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.contracts.season_table import Floats
from data.contracts.vocabulary import LEVELS
from tasks.evaluate.conformal import Widths, conformal_quantiles, fit_widths, seasons_needed
from tests.forecasters import random_table

SEASONS = st.lists(
    st.lists(st.integers(0, 50), min_size=1, max_size=9).map(lambda values: np.array(values, dtype=float)),
    min_size=1,
    max_size=30,
)


def _exact_quantile(seasons: list[Floats], level: int) -> float | None:
    """By the definition, in fractions."""
    if len(seasons) < seasons_needed(level):
        return None
    for q in np.unique(np.concatenate(seasons)).tolist():
        shares = [Fraction(int((each <= q).sum()), len(each)) for each in seasons]
        if sum(shares) + min(shares) >= Fraction(level, 100) * (len(seasons) + 1):
            return float(q)
    raise AssertionError("all of the largest season lies within its largest size")


@given(SEASONS, st.sampled_from(LEVELS))
def test_the_quantile_is_the_exact_one(seasons: list[Floats], level: int) -> None:
    assert conformal_quantiles(seasons).get(level) == _exact_quantile(seasons, level)


@given(SEASONS)
def test_seasons_weigh_alike_whatever_their_order_and_size(seasons: list[Floats]) -> None:
    doubled = [np.concatenate([each, each]) for each in reversed(seasons)]
    gaps = [np.append(each, np.nan) for each in doubled] + [np.array([np.nan])]
    assert conformal_quantiles(gaps) == conformal_quantiles(seasons)


def test_fewest_seasons() -> None:
    assert [seasons_needed(level) for level in LEVELS] == [4, 19]
    for level, needed in ((80, 4), (95, 19)):
        seasons = [np.full(3, float(at)) for at in range(needed)]
        # all rows of a season err alike: what split conformal prediction says of as many single rows
        assert conformal_quantiles(seasons)[level] == needed - 1
        assert level not in conformal_quantiles(seasons[1:])
    assert conformal_quantiles([]) == {}


def test_regions_that_err_more_get_wider_intervals() -> None:
    rng = np.random.default_rng(4)
    size_R = np.array([1.0, 5.0, 20.0])
    region_E = np.arange(3)
    errors = [(size_R * rng.normal(size=3))[:, None] for _ in range(200)]
    widths = fit_widths(("a", "b", "c"), ("corn",), [region_E] * 200, errors, 10)
    table = random_table(1, regions=3, seasons=2)
    found_NT = widths.of(95, ("corn", "other"), table)
    assert np.isnan(found_NT[:, 1]).all()
    half_R = widths.scale_RT[:, 0] * widths.factor[95, "corn"]
    np.testing.assert_allclose(half_R / size_R, 1.96, rtol=0.25)


def test_perfect_predictions_have_intervals_without_width() -> None:
    regions = [np.array([0, 1])] * 30
    exact = fit_widths(("a", "b"), ("corn",), regions, [np.zeros((2, 1))] * 30, 10)
    assert (exact.scale_RT == 0).all()
    assert exact.factor == {(80, "corn"): 0.0, (95, "corn"): 0.0}
    one_miss = [np.zeros((2, 1))] * 29 + [np.array([[3.0], [0.0]])]
    for level in LEVELS:
        assert np.isfinite(fit_widths(("a", "b"), ("corn",), regions, one_miss, 10).factor[level, "corn"])


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_widths_are_in_the_unit_of_the_errors(unit: float) -> None:
    rng = np.random.default_rng(5)
    errors = [rng.normal(size=(4, 1)) for _ in range(25)]
    region_KE = [np.arange(4)] * 25
    one = fit_widths(tuple("abcd"), ("corn",), region_KE, errors, 10)
    other = fit_widths(tuple("abcd"), ("corn",), region_KE, [unit * each for each in errors], 10)
    np.testing.assert_allclose(other.scale_RT, unit * one.scale_RT)
    assert other.factor[80, "corn"] == pytest.approx(one.factor[80, "corn"])
    assert other.unseen[80, "corn"] == pytest.approx(unit * one.unseen[80, "corn"])


def test_widths_come_back_from_json() -> None:
    rng = np.random.default_rng(6)
    regions = [np.arange(3)] * 25
    made = fit_widths(
        ("a", "b", "c"), ("corn", "rye"), regions, [rng.normal(size=(3, 2)) for _ in regions], 10
    )
    kept = Widths.from_json(json.loads(json.dumps(made.as_json())))
    assert kept.scale_RT.tobytes() == np.ascontiguousarray(made.scale_RT).tobytes()
    assert (kept.region_names, kept.crops, kept.factor, kept.unseen) == (
        made.region_names, made.crops, made.factor, made.unseen,
    )  # fmt: skip
