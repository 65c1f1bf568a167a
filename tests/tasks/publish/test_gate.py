"""The gate's checks, its outcome, and what is decided on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from data.contracts.vocabulary import NAIVE_BASELINES
from data.settings.schema import Gate as GateSettings
from tasks.publish.gate import Check, Comparison, Gate, Judged, Outcome, compare, decide, judge
from tests.forecasters import Given, random_table

DEFAULTS = GateSettings()
FEATURES = (("rain",), ("rain",))


def _metrics(*, interval: tuple[float, float] | None = None, **mse: tuple[float | None, float | None]) -> Any:
    """A test split; for each crop the model's MSE and that of the best naive baseline."""
    crops = {
        crop: {
            "mse": ours,
            "r2": 0.5,
            "skill_interval_95": interval,
            "baselines": dict.fromkeys(NAIVE_BASELINES, None if naive is None else naive + 1)
            | {"region_mean": naive},
        }
        for crop, (ours, naive) in mse.items()
    }
    return {"splits": {"test": {"crops": crops}} if crops else {}}


def _gate(
    metrics: Any = None,
    excess: dict[str, float | None] | None = None,
    settings: GateSettings = DEFAULTS,
    current: Comparison | None = None,
    breaks: dict[str, Any] | None = None,
) -> Gate:
    full = (metrics or _metrics()) | {"excess": excess or {}}
    return judge({"main": Judged(full, breaks or {}, current)}, settings)


def _check(gate: Gate, name: str, crop: str | None = None) -> Check:
    return next(check for check in gate.checks if (check.name, check.crop) == (name, crop))


@pytest.mark.parametrize(
    ("mse", "outcome", "value"),
    [
        ((3.0, 4.0), "passed", 0.25),
        ((4.0, 4.0), "passed", 0.0),
        ((4.1, 4.0), "passed", -0.025),
        ((4.3, 4.0), "failed", -0.075),
        ((3.0, None), "not evaluated", None),
        ((0.0, 0.0), "passed", 0.0),
        ((1e-9, 0.0), "failed", None),
        ((None, 4.0), "failed", None),
    ],
)
def test_with_few_test_seasons_the_skill_itself_decides(
    mse: tuple[float | None, float | None], outcome: str, value: float | None
) -> None:
    check = _check(_gate(_metrics(corn=mse)), "against_baseline", "corn")
    assert check.outcome == outcome
    assert check.value == (None if value is None else pytest.approx(value))
    assert check.threshold == (None if outcome == "not evaluated" else -0.05)
    if outcome == "failed":
        assert "region_mean" in check.reason


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [((-2.0, -0.06), "failed"), ((-2.0, -0.04), "passed"), ((-0.1, 0.3), "passed")],
)
def test_against_the_baseline_only_what_is_certain_fails(interval: tuple[float, float], outcome: str) -> None:
    check = _check(_gate(_metrics(interval=interval, corn=(5.0, 4.0))), "against_baseline", "corn")
    assert check.outcome == outcome
    assert check.value == interval[1]
    assert "skill -0.25 (95 %:" in check.reason
    assert check.reason.endswith("refused where all of it is below -0.05")


def test_each_crop_has_checks_of_its_own() -> None:
    gate = _gate(_metrics(corn=(300.0, 400.0), rye=(0.3, 0.2)))
    assert _check(gate, "against_baseline", "corn").outcome == Outcome.PASSED
    assert _check(gate, "against_baseline", "rye").outcome == Outcome.FAILED
    assert gate.outcome == Outcome.FAILED
    assert "against_baseline, rye: MSE 0.3" in gate.sentence
    assert "corn" not in gate.sentence
    assert "other features" in gate.advice
    assert _check(_gate(), "excess").outcome == Outcome.NOT_EVALUATED


@pytest.mark.parametrize(
    ("train", "test", "broken", "outcome"),
    [
        (0.6, 0.4, None, "passed"),
        (0.0, -3.0, None, "passed"),
        (0.6, -637.0, None, "failed"),
        (-0.1, 0.4, None, "failed"),
        (None, None, None, "not evaluated"),
        (None, None, {"year": 2005, "factor": 15.93, "regions": 30}, "failed"),
        (0.6, 0.4, {"year": 2005, "factor": 0.0627, "regions": 30}, "failed"),
    ],
)
def test_sound(train: float | None, test: float | None, broken: dict[str, Any] | None, outcome: str) -> None:
    metrics = _metrics(corn=(3.0, 4.0))
    metrics["splits"]["train"] = {"crops": {"corn": {"r2": train}}}
    metrics["splits"]["test"]["crops"]["corn"]["r2"] = test
    gate = _gate(metrics, breaks={"corn": broken})
    check = _check(gate, "sound", "corn")
    assert check.outcome == outcome
    if broken:
        assert "from 2005 on" in check.reason
        assert "change of unit" in gate.advice


def test_tolerance_is_relative() -> None:
    gate = _gate(_metrics(corn=(4.1, 4.0)), current=Comparison({"corn": (7, 1.04, 1.0)}))
    assert _check(gate, "against_baseline", "corn").outcome == Outcome.PASSED
    check = _check(gate, "against_current", "corn")
    assert check.outcome == Outcome.FAILED
    assert check.value == pytest.approx(1.04)
    assert check.reason.endswith("7 rows: +4.0\N{NO-BREAK SPACE}%, up to +2\N{NO-BREAK SPACE}% is allowed")
    assert gate.outcome == Outcome.FAILED
    strict = replace_settings(against_baseline=0.01)
    assert _gate(_metrics(corn=(4.1, 4.0)), settings=strict).outcome == Outcome.FAILED
    better = _gate(_metrics(corn=(4.1, None)), current=Comparison({"corn": (7, 1.01, 1.0)}))
    assert _check(better, "against_current", "corn").outcome == Outcome.PASSED


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
    gate = _gate(excess=excess)
    assert _check(gate, "excess").outcome == outcome
    assert gate.outcome == outcome  # the others aren't evaluated
    assert gate.sentence.startswith(outcome)


def test_decisions() -> None:
    passed, failed, unclear = (_gate(excess={"published": value}) for value in (0.0, 1.0, None))
    assert decide(passed).publish
    assert decide(unclear).publish
    refused = decide(failed)
    assert not refused.publish
    assert "excess" in refused.reason
    accepted = decide(failed, accepted="new stations")
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
        check = _check(_gate(_metrics(corn=(3.0, 4.0)), current=found), "against_current", "corn")
        assert check.outcome == Outcome.NOT_EVALUATED
        return check.reason

    assert "heat" in reason(model, (("rain", "heat"), ("rain",)))
    assert "no harvest" in reason(model)
    assert "no crop in common" in reason(replace(model, crops=("rye",)))
    assert "no crop in common" in reason(replace(model, crop_units=("bu/acre",)))
    first = _gate(_metrics(corn=(3.0, 4.0)))
    assert "no current model" in _check(first, "against_current", "corn").reason


def test_the_order_of_features_doesn_t_matter() -> None:
    table = random_table()
    model = Given(("corn",), ("t/ha",), np.zeros((len(table), 1)))
    nothing = table.take(slice(0))
    assert compare(model, model, table, nothing, nothing, (("a", "b"), ("b", "a"))).mse


def test_a_gate_that_passed_says_when_nothing_was_tested() -> None:
    trained = {"splits": {"train": {"crops": {crop: {"r2": 0.6} for crop in ("corn", "rye")}}}}
    untested = _gate(trained, {"evaluation": 1e-9})
    assert untested.outcome == Outcome.PASSED
    assert untested.sentence == "passed (against_baseline not evaluated, corn, rye: there are no test rows)"
