"""The gate's checks, its outcome, and what is decided on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from data.contracts.columns import NAIVE_BASELINES
from data.settings.schema import Gate as GateSettings
from tasks.publish.gate import Check, Comparison, Gate, Outcome, compare, decide, judge
from tests.forecasters import Given, random_table

DEFAULTS = GateSettings()
FEATURES = (("rain",), ("rain",))


def _metrics(**mse: tuple[float | None, float | None]) -> dict[str, Any]:
    """A test split; for each crop the model's MSE and that of the best naive baseline."""
    crops = {
        crop: {
            "mse": ours,
            "baselines": dict.fromkeys(NAIVE_BASELINES, None if naive is None else naive + 1)
            | {"region_mean": naive},
        }
        for crop, (ours, naive) in mse.items()
    }
    return {"splits": {"test": {"crops": crops}} if crops else {}}


def _check(gate: Gate, name: str) -> Check:
    return next(check for check in gate.checks if check.name == name)


@pytest.mark.parametrize(
    ("mse", "outcome", "value"),
    [
        ({"corn": (3.0, 4.0)}, "passed", 0.75),
        ({"corn": (4.0, 4.0)}, "passed", 1.0),
        ({"corn": (4.1, 4.0)}, "failed", 1.025),
        ({"corn": (300.0, 400.0), "rye": (0.3, 0.2)}, "failed", 1.5),
        ({}, "not evaluated", None),
        ({"corn": (3.0, None)}, "not evaluated", None),
        ({"corn": (0.0, 0.0)}, "passed", 1.0),
        ({"corn": (1e-9, 0.0)}, "failed", None),
        ({"corn": (None, 4.0)}, "failed", None),
    ],
)
def test_against_the_best_naive_baseline(
    mse: dict[str, tuple[float | None, float | None]], outcome: str, value: float | None
) -> None:
    check = _check(judge(_metrics(**mse), {}, DEFAULTS, None), "against_baseline")
    assert check.outcome == outcome
    assert check.value == (None if value is None else pytest.approx(value))
    assert check.threshold == (None if outcome == "not evaluated" else 1.0)
    if outcome == "failed":
        assert "region_mean" in check.reason
        assert ("rye" if "rye" in mse else "corn") in check.reason


def test_tolerance_is_relative() -> None:
    lenient = replace_settings(against_baseline=0.05)
    gate = judge(_metrics(corn=(4.1, 4.0)), {}, lenient, Comparison({"corn": (7, 1.04, 1.0)}))
    assert _check(gate, "against_baseline").outcome == Outcome.PASSED
    assert _check(gate, "against_current").outcome == Outcome.FAILED
    assert "7 rows" in _check(gate, "against_current").reason
    assert gate.outcome == Outcome.FAILED
    better = judge(_metrics(), {}, DEFAULTS, Comparison({"corn": (7, 1.01, 1.0)}))
    assert better.outcome == Outcome.PASSED


def replace_settings(**changes: float) -> GateSettings:
    return DEFAULTS.model_copy(update=changes)


@pytest.mark.parametrize(
    ("excess", "outcome"),
    [
        ({"evaluation": 1e-5, "published": 1e-3}, "passed"),
        ({"evaluation": 1e-5, "published": 2e-3}, "failed"),
        ({"evaluation": None, "published": 1e-4}, "passed"),
        ({"evaluation": float("nan"), "published": 1e-4}, "failed"),
        ({"evaluation": None, "published": None}, "not evaluated"),
        ({}, "not evaluated"),
    ],
)
def test_certificate(excess: dict[str, float | None], outcome: str) -> None:
    gate = judge(_metrics(), excess, DEFAULTS, None)
    assert _check(gate, "excess").outcome == outcome
    assert gate.outcome == outcome  # the other two aren't evaluated
    assert gate.sentence.startswith(outcome)


def test_decisions() -> None:
    passed, failed, unclear = (
        judge(_metrics(), {"published": value}, DEFAULTS, None) for value in (0.0, 1.0, None)
    )
    assert decide(passed, first=False).publish
    assert decide(unclear, first=False).publish
    refused = decide(failed, first=False)
    assert not refused.publish
    assert "excess" in refused.reason
    assert decide(failed, first=True).publish
    assert "no current model" in decide(failed, first=True).reason
    accepted = decide(failed, first=False, accepted="new stations")
    assert accepted.publish
    assert "new stations" in accepted.reason


def test_models_are_compared_where_neither_was_trained() -> None:
    table = random_table()
    predicted_NT = np.random.default_rng(0).normal(10, 3, size=(len(table), 2))
    new = Given(("corn", "rye"), (None, "t/ha"), predicted_NT)
    current = Given(("rye", "corn"), ("t/ha", None), predicted_NT[:, ::-1] + 1)
    before = table.take(table.year_N < 2008)
    later = table.take((table.year_N < 2010) & (table.region_N != 1))
    # regions coded otherwise in the current model's rows
    names = ("elsewhere", *later.region_names)
    later = replace(later, region_names=names, region_N=later.region_N + 1)
    found = compare(new, current, table, before, later, FEATURES)
    fresh_N = (table.year_N >= 2010) | ((table.region_N == 1) & (table.year_N >= 2008))
    for at, crop in enumerate(("corn", "rye")):
        known_N = fresh_N & np.isfinite(table.y_NT[:, at])
        error_N = (predicted_NT[:, at] - table.y_NT[:, at])[known_N]
        rows, new_mse, current_mse = found.mse[crop]
        assert rows == known_N.sum()
        assert new_mse == pytest.approx(np.mean(error_N**2))
        assert current_mse == pytest.approx(np.mean((error_N + 1) ** 2))


def test_a_harvest_counts_as_seen_only_for_its_crop() -> None:
    table = random_table()
    model = Given(("corn", "rye"), (None, None), np.zeros((len(table), 2)))
    corn_only = replace(table, crops=("corn",), y_NT=table.y_NT[:, :1])
    found = compare(model, model, table, corn_only, corn_only, FEATURES)
    assert set(found.mse) == {"rye"}


def test_what_can_t_be_compared_says_why() -> None:
    table = random_table()
    model = Given(("corn",), ("t/ha",), np.zeros((len(table), 1)))
    nothing = table.take(slice(0))

    def reason(other: Given, features: tuple[tuple[str, ...], tuple[str, ...]] = FEATURES) -> str:
        found = compare(model, other, table, table if other is model else nothing, nothing, features)
        assert not found.mse
        check = _check(judge(_metrics(), {}, DEFAULTS, found), "against_current")
        assert check.outcome == Outcome.NOT_EVALUATED
        return check.reason

    assert "heat" in reason(model, (("rain", "heat"), ("rain",)))
    assert "no harvest" in reason(model)
    assert "no crop in common" in reason(replace(model, crops=("rye",)))
    assert "no crop in common" in reason(replace(model, crop_units=("bu/acre",)))
    assert "no current model" in _check(judge(_metrics(), {}, DEFAULTS, None), "against_current").reason


def test_the_order_of_features_doesn_t_matter() -> None:
    table = random_table()
    model = Given(("corn",), ("t/ha",), np.zeros((len(table), 1)))
    nothing = table.take(slice(0))
    assert compare(model, model, table, nothing, nothing, (("a", "b"), ("b", "a"))).mse


def test_a_gate_that_passed_says_when_nothing_was_tested() -> None:
    untested = judge({"splits": {}}, {"evaluation": 1e-9}, GateSettings(), None)
    assert untested.outcome == Outcome.PASSED
    assert untested.sentence == "passed (against_baseline not evaluated: there are no test rows)"
