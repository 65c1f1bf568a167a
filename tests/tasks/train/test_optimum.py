"""The exact optimum and its certificate, against numpy and against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
import statsmodels.datasets.longley as longley
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from data.contracts.columns import INTERCEPT
from data.contracts.season_table import SeasonTable
from tasks.model.model import Model
from tasks.normalise.moments import compute_moments
from tasks.train.fit import fit_exact, fit_model
from tasks.train.optimum import certify, solve
from tests.tasks.worlds import first_model, season_table, textbook, world


def _objective(z: np.ndarray, u: np.ndarray, w: np.ndarray, b: np.ndarray, ridge: float) -> np.ndarray:
    mse_T = np.nanmean((z @ w.T + b - u) ** 2, axis=0)
    return np.asarray((mse_T + ridge * (w**2).sum(axis=1)) / len(b))


@given(st.integers(0, 99), st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.1, 10.0]))
@trials(deadline=None, max_examples=40)
def test_certificate_is_the_difference_of_objectives(seed: int, missing: float, ridge: float) -> None:
    random = np.random.default_rng(seed)
    z, u = random.normal(0.3, 1, size=(80, 4)), random.normal(size=(80, 3))
    u[random.random(u.shape) < missing] = np.nan
    moments = compute_moments(z, u)
    optimum = solve(moments, np.full(3, ridge), np.eye(4))
    best_T = _objective(z, u, optimum.weight_TP, optimum.bias_T, ridge)
    np.testing.assert_allclose(optimum.objective_T, best_T, rtol=1e-9)
    w, b = random.normal(size=(3, 4)), random.normal(size=3)
    unit_T = np.array([1.0, 10.0, 0.1])
    certificate = certify(optimum, moments, w, b, unit_T, np.zeros(3))
    worse_T = _objective(z, u, w, b, ridge)
    assert certificate.excess_T == pytest.approx(tuple(worse_T / best_T - 1), rel=1e-6)
    assert certificate.excess == pytest.approx((unit_T**2 @ worse_T) / (unit_T**2 @ best_T) - 1, rel=1e-6)
    # nothing is better: every step away costs
    for shift in (1e-3, -1e-3):
        assert (_objective(z, u, optimum.weight_TP + shift, optimum.bias_T, ridge) > best_T).all()
    near = certify(optimum, moments, optimum.weight_TP, optimum.bias_T, unit_T, np.zeros(3))
    assert near.excess is not None
    assert 0 <= near.excess < 1e-25


def test_optimum_is_a_separate_regression_for_each_crop() -> None:
    table = world(300, 4, crops=3, missing=0.4)
    together = fit_exact(table, first_model(baseline="none"), "12-31")
    for crop in range(3):
        alone = SeasonTable(
            table.region_names, table.region_N, table.year_N, table.split_N,
            table.features, table.x_NF, table.crops[crop : crop + 1], table.y_NT[:, crop : crop + 1],
        )  # fmt: skip
        single = fit_exact(alone, first_model(baseline="none"), "12-31")
        np.testing.assert_allclose(single.predict(table)[:, 0], together.predict(table)[:, crop], rtol=1e-9)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_no_excess_where_the_optimum_is_zero(precision: str) -> None:
    x = np.random.default_rng(0).normal(15, 5, size=(100, 3))
    table = season_table(x, x @ [[1.0, 2.0], [3.0, -4.0], [0.1, 7.0]] + 10)
    record = fit_model(table, first_model(baseline="none", training={"precision": precision}), "12-31").record
    assert record["excess"] is None
    assert record["excess_crops"] == {"c0": None, "c1": None}


def test_one_perfect_crop_leaves_the_other_its_excess() -> None:
    table = world(100, 3)
    table.y_NT[:, 1] = table.x_NF[:, 0]
    record = fit_model(table, first_model(baseline="none"), "12-31").record
    assert record["excess_crops"]["c1"] is None
    assert record["excess"] <= 1e-6


def test_a_constant_yield_is_predicted() -> None:
    table = world(100, 3)
    table.y_NT[:, 0] = 7.0
    model = fit_model(table, first_model(baseline="trend"), "12-31")
    np.testing.assert_allclose(model.predict(table)[:, 0], 7.0, rtol=1e-6)


def test_the_textbook_s_optimum() -> None:
    model = fit_exact(textbook(), first_model(baseline="none"), "12-31")
    assert model.record["optimum"] == pytest.approx(0.909446, rel=1e-6)
    five = fit_exact(textbook().take(slice(5)), first_model(baseline="none"), "12-31")
    assert five.record["optimum"] == pytest.approx(0.483121, rel=1e-5)
    asked = season_table([[75.0, 63.0, 44.0]], [[np.nan, np.nan]], crops=("apples", "oranges"))
    np.testing.assert_allclose(model.predict(asked), [[53.7956, 66.8065]], rtol=1e-5)


def _rational(x_NF: np.ndarray, y_N: np.ndarray) -> list[float]:
    """Least squares with an intercept (first) in exact rational arithmetic: the normal equations."""
    rows = [[Fraction(1), *map(Fraction, row)] for row in x_NF.tolist()]
    right = [Fraction(value) for value in y_N.tolist()]
    size = len(rows[0])
    system = [
        [sum((row[i] * row[j] for row in rows), Fraction(0)) for j in range(size)]
        + [sum((row[i] * y for row, y in zip(rows, right, strict=True)), Fraction(0))]
        for i in range(size)
    ]
    for i in range(size):
        pivot = next(j for j in range(i, size) if system[j][i])
        system[i], system[pivot] = system[pivot], system[i]
        system[i] = [value / system[i][i] for value in system[i]]
        for j in range(size):
            if j != i:
                system[j] = [a - system[j][i] * b for a, b in zip(system[j], system[i], strict=True)]
    return [float(row[-1]) for row in system]


def _coefficients(model: Model) -> list[float]:
    rows = [row for row in model.coefficients().to_pylist() if row["region"] is None]
    value = {row["term"]: row["coefficient"] for row in rows}
    return [value[INTERCEPT], *(value[name] for name in model.features)]


def _ill_conditioned(digits: int) -> tuple[np.ndarray, np.ndarray]:
    """Features that agree in their first digits: years, a base temperature and its near copies."""
    random = np.random.default_rng(3)
    base, other, noise = random.normal(size=(3, 40))
    near = base + 10.0**-digits * noise
    x = np.column_stack([1960.0 + np.arange(40), 290 + base, 290 + near, 5 * other])
    return x, x @ np.array([0.5, 3.0, -2.0, 1.0]) + random.normal(size=40)


def _tables() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    data = longley.load_pandas()
    return {
        "longley": (data.exog.to_numpy(dtype=np.float64), data.endog.to_numpy(dtype=np.float64)),
        "near copies": _ill_conditioned(5),
        "nearer copies": _ill_conditioned(7),
    }


@pytest.mark.parametrize("name", list(_tables()))
@pytest.mark.parametrize("exact", [True, False])
def test_badly_conditioned_tables_agree_with_rational_arithmetic(name: str, exact: bool) -> None:
    x, y = _tables()[name]
    assert np.linalg.cond(np.column_stack((np.ones(len(x)), x))) >= 1e7
    chosen = first_model(baseline="none", training={"precision": "float64", "tolerance": 1e-24})
    model = (fit_exact if exact else fit_model)(season_table(x, y[:, None]), chosen, "12-31")
    assert model.scaling.collinear == ()
    np.testing.assert_allclose(_coefficients(model), _rational(x, y), rtol=1e-7)
