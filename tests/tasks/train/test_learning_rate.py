"""Step sizes: safe on the actual blocks, refused when they must diverge, settling on the optimum."""

from typing import Any

import numpy as np
import pytest
import torch

from data.errors import SettingsError
from data.settings.schema import Training
from tasks.normalise.moments import compute_moments
from tasks.train.batches import ArrayRows, Blocks, make_blocks
from tasks.train.learning_rate import Curvature, largest_curvature, plan_steps, settling_rates


def _rows(rows: int, features: int, missing: float = 0.0) -> ArrayRows:
    random = np.random.default_rng(0)
    y = random.normal(size=(rows, 2))
    y[random.random(y.shape) < missing] = np.nan
    return ArrayRows(random.normal(0.3, 1, size=(rows, features)), y)


def _curvature(rows: ArrayRows, ridge: float = 0.0) -> Curvature:
    P = rows.x_NP.shape[1]
    return Curvature.of(compute_moments(rows.x_NP, rows.y_NT), np.full(2, ridge), np.eye(P))


def _small() -> tuple[Blocks, Curvature]:
    rows = _rows(500, 3)
    return make_blocks(rows, 50, 0, torch.float64), _curvature(rows)


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize(("features", "batch"), [(48, 32), (12, 8), (3, 100)])
def test_the_bound_holds_on_every_block_and_is_tight(features: int, batch: int, missing: float) -> None:
    rows = _rows(500, features, missing)
    blocks = make_blocks(rows, batch, 0, torch.float64)
    measured = largest_curvature(blocks, 2 * 0.01)
    K = len(blocks)
    largest, whole = 0.0, np.zeros((2, features + 1, features + 1))
    ridge = np.diag([0.01] * features + [0.0])
    for block in range(K):
        x_PB, _, observed_TB = blocks.batch(block)
        z = np.column_stack((x_PB.T.numpy(), np.ones(x_PB.shape[1])))
        for crop in range(2):
            own = z if observed_TB is None else z * observed_TB[crop, :, None].numpy()
            share = own.T @ own / blocks.observed_T[crop]  # 2 / T is 1
            whole[crop] += share
            largest = max(largest, float(np.linalg.eigvalsh(K * share + ridge)[-1]))
    assert largest <= measured * (1 + 1e-12)
    assert measured <= largest * (features + 1) ** (1 / 32) * 1.01
    exact = 2 * np.linalg.eigvalsh(whole + ridge)
    np.testing.assert_allclose(_curvature(rows, 0.01).value_TM, exact, atol=1e-12)


def test_a_rate_that_must_diverge_is_refused_with_the_largest_that_can_work() -> None:
    blocks, curvature = _small()
    limit = 2 / curvature.largest
    with pytest.raises(
        SettingsError, match=r"learning_rate: 9 must diverge .* largest that can work is"
    ) as error:
        plan_steps(blocks, curvature, 0.0, Training(learning_rate=9.0))
    named = float(str(error.value).split("work is ")[1].split(",")[0])
    assert 0.99 * limit < named <= limit
    plan_steps(blocks, curvature, 0.0, Training(learning_rate=named))
    fast: dict[str, Any] = {"learning_rate": 1.8 * limit, "momentum": 0.9}
    plan_steps(blocks, curvature, 0.0, Training(**fast))
    with pytest.raises(SettingsError):
        plan_steps(blocks, curvature, 0.0, Training(**fast, nesterov=True))


def test_a_given_rate_falls_to_zero() -> None:
    blocks, curvature = _small()
    plan = plan_steps(blocks, curvature, 0.0, Training(learning_rate=0.1, epochs=10))
    rates = [plan.rate_at(epoch, batch, 10) for epoch in range(10) for batch in range(10)]
    assert rates[:50] == [0.1] * 50
    assert (np.diff(rates[50:]) < 0).all()
    assert 0 < rates[-1] < 0.005


def test_auto_is_one_over_the_steepest_block_less_the_momentum() -> None:
    blocks, curvature = _small()
    steepest = largest_curvature(blocks, 0.0)
    assert plan_steps(blocks, curvature, 0.0, Training()).rate == pytest.approx(1 / steepest)
    slow = plan_steps(blocks, curvature, 0.0, Training(momentum=0.9))
    assert slow.rate == pytest.approx(0.1 / steepest)
    assert [slow.rate_at(0, batch, 10) / slow.rate for batch in (0, 5, 9)] == pytest.approx([1, 0.5, 0.1])


@pytest.mark.parametrize("condition", [1.0, 1.5, 10.0, 500.0])
@pytest.mark.parametrize("shrink", [1e-4, 1e-2, 0.3])
def test_settling_shrinks_every_direction_as_asked(condition: float, shrink: float) -> None:
    values = np.geomspace(1 / condition, 1.0, 200)
    error, largest = np.ones(200), 1.0
    rates = settling_rates(1 / condition, 1.0, shrink)
    for rate in rates:
        error *= 1 - rate * values
        largest = max(largest, float(np.abs(error).max()))
    assert np.abs(error).max() <= 1.0001 * shrink
    # nor does it leap on its way: two neighbours of a step, in Leja's order, undo it
    assert largest < 2 * condition**0.5
    if condition <= 10:
        assert len(rates) <= 17


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_the_bound_is_never_below_the_excess(ridge: float, missing: float) -> None:
    rows = _rows(300, 4, missing)
    rows.x_NP[:, 3] = rows.x_NP[:, 2]  # a direction that only a ridge fixes
    curvature, random = _curvature(rows, ridge), np.random.default_rng(1)
    z_NM = np.column_stack((rows.x_NP, np.ones(300)))
    penalty = np.diag([ridge] * 4 + [0.0])
    for distance in (1e-3, 1.0):
        gradient_TM, objective_T, excess_T = np.zeros((2, 5)), np.zeros(2), np.zeros(2)
        for crop in range(2):
            own = np.isfinite(rows.y_NT[:, crop])
            z, y = z_NM[own], rows.y_NT[own, crop]

            def objective(w: np.ndarray, z: np.ndarray = z, y: np.ndarray = y) -> float:
                return float(np.mean((z @ w - y) ** 2) + w @ penalty @ w)

            gram = z.T @ z / len(z) + penalty
            best = np.linalg.lstsq(gram, z.T @ y / len(z), rcond=1e-10)[0]
            at = best + distance * random.normal(size=5)
            gradient_TM[crop] = 2 * (gram @ at - z.T @ y / len(z))
            objective_T[crop] = objective(at)
            excess_T[crop] = objective(at) / objective(best) - 1
        bound_T = curvature.excess_bound(gradient_TM, objective_T)
        # b is relative to J, which is above J*
        assert (bound_T >= excess_T / (1 + excess_T) * (1 - 1e-6)).all()
        assert (bound_T < 100 * excess_T).all()
