"""Step sizes: safe on the actual blocks, refused when they must diverge, settling on the optimum."""

import numpy as np
import pytest
import torch

from data.errors import SettingsError
from data.settings.schema import Training
from tasks.train.batches import ArrayRows, make_blocks
from tasks.train.learning_rate import measure, plan_steps, settling_rates


def _rows(rows: int, features: int, missing: float = 0.0) -> ArrayRows:
    random = np.random.default_rng(0)
    y = random.normal(size=(rows, 2))
    y[random.random(y.shape) < missing] = np.nan
    return ArrayRows(random.normal(size=(rows, features)), y)


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize(("features", "batch"), [(48, 32), (12, 8), (3, 100)])
def test_the_bound_holds_on_every_block_and_is_tight(features: int, batch: int, missing: float) -> None:
    blocks = make_blocks(_rows(500, features, missing), batch, 0, torch.float64)
    measured = measure(blocks, 0.01)
    K = len(blocks)
    largest, whole = 0.0, np.zeros((2, features + 1, features + 1))
    for block in range(K):
        x, _, observed = blocks.split(blocks[block])
        z = np.column_stack((x.numpy(), np.ones(len(x))))
        for crop in range(2):
            own = z if observed is None else z * observed[:, crop, None].numpy()
            share = own.T @ own / blocks.observed_T[crop]  # 2 / T is 1
            whole[crop] += share
            hessian = K * share + np.diag([0.01] * features + [0.0])
            largest = max(largest, float(np.linalg.eigvalsh(hessian)[-1]))
    assert largest <= measured.of_blocks * (1 + 1e-12)
    assert measured.of_blocks <= largest * (features + 1) ** (1 / 32) * 1.001
    exact = np.linalg.eigvalsh(whole + np.diag([0.01] * features + [0.0])).ravel()
    found = np.sort(measured.whole_M * (2 if missing == 0 else 1))
    np.testing.assert_allclose(found, np.sort(exact), atol=1e-12)


def test_a_rate_that_must_diverge_is_refused_with_the_largest_that_can_work() -> None:
    curvature = measure(make_blocks(_rows(500, 3), 50, 0, torch.float64), 0.0)
    limit = 2 / max(curvature.whole_M)
    with pytest.raises(
        SettingsError, match=r"learning_rate: 9 must diverge .* largest that can work is"
    ) as error:
        plan_steps(curvature, Training(learning_rate=9.0), 10, 500)
    named = float(str(error.value).split("work is ")[1].split(",")[0])
    assert 0.99 * limit < named <= limit
    plan_steps(curvature, Training(learning_rate=named), 10, 500)
    plan_steps(curvature, Training(learning_rate=1.8 * limit, momentum=0.9), 10, 500)
    with pytest.raises(SettingsError):
        plan_steps(curvature, Training(learning_rate=1.8 * limit, momentum=0.9, nesterov=True), 10, 500)


def test_a_given_rate_falls_to_zero() -> None:
    curvature = measure(make_blocks(_rows(500, 3), 50, 0, torch.float64), 0.0)
    plan = plan_steps(curvature, Training(learning_rate=0.1, epochs=10), 10, 500)
    rates = [
        plan.rate_at(epoch, plan.constant_epochs, batch, 10) for epoch in range(10) for batch in range(10)
    ]
    assert rates[:50] == [0.1] * 50
    assert (np.diff(rates[50:]) < 0).all()
    assert 0 < rates[-1] < 0.005
    assert len(plan.decay) + plan.constant_epochs == 10


def test_auto_is_one_over_the_steepest_block_less_the_momentum() -> None:
    curvature = measure(make_blocks(_rows(500, 3), 50, 0, torch.float64), 0.0)
    assert plan_steps(curvature, Training(), 10, 500).rate == pytest.approx(1 / curvature.of_blocks)
    slow = plan_steps(curvature, Training(momentum=0.9), 10, 500).rate
    assert slow == pytest.approx(0.1 / curvature.of_blocks)


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("directions", [3, 25, 90])
def test_settling_removes_every_direction_of_a_quadratic(condition: float, directions: int) -> None:
    values = np.geomspace(1 / condition, 1.0, directions)
    error = np.ones(directions)
    for rate in settling_rates(tuple(values), 100, 0.0, 0, 1000, 1e-16):
        error *= 1 - rate * values
    # what 100 steps reach on any spectrum, by Chebyshev's polynomials
    assert (values * error**2).max() < 1 / 201**2


def test_flat_directions_are_left_alone() -> None:
    rates = settling_rates((1.0, 0.5, 1e-17, 0.0), 10, 0.0, 0, 100, 1e-7)
    assert max(rates) <= 2.0
    assert len(rates) == 10
