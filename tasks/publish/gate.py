"""The gate: separate checks of a finished run, their outcome, and the decision to make it current.

Shapes: N rows of a SeasonTable, T crops.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from data.contracts.season_table import Flags, SeasonTable
from data.contracts.vocabulary import SplitName
from data.settings.schema import Gate as GateSettings

if TYPE_CHECKING:  # the gate on a finished run is judged without torch
    from tasks.model.forecaster import Forecaster


AGAINST_BASELINE = "against_baseline"


class Outcome(StrEnum):
    """What a check, or the whole gate, came to."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EVALUATED = "not evaluated"


@dataclass(frozen=True)
class Check:
    """One check: passed when `value` is at most `threshold`; both None where it wasn't evaluated."""

    name: str
    outcome: Outcome
    reason: str
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Gate:
    """The checks and what they come to together."""

    outcome: Outcome
    checks: tuple[Check, ...]

    @property
    def sentence(self) -> str:
        """The outcome with its reasons; where it passed, whether anything was tested at all."""
        if self.outcome == Outcome.PASSED:
            why = [
                f"{check.name} not evaluated: {check.reason}"
                for check in self.checks
                if check.name == AGAINST_BASELINE and check.outcome == Outcome.NOT_EVALUATED
            ]
        else:
            why = [f"{check.name}: {check.reason}" for check in self.checks if check.outcome == self.outcome]
        return f"{self.outcome} ({'; '.join(why)})" if why else str(self.outcome)


@dataclass(frozen=True)
class Comparison:
    """The new and the current model on the same rows, which neither was trained on.

    `mse` maps each crop to (rows, MSE of the new model, MSE of the current one), in the crop's unit
    squared; empty when there is nothing to compare, for the `reason` given.
    """

    mse: Mapping[str, tuple[int, float, float]]
    reason: str = ""


@dataclass(frozen=True)
class Decision:
    """Whether a run is published, and why."""

    publish: bool
    reason: str


def judge(
    metrics: Mapping[str, Any],
    excess: Mapping[str, float | None],
    settings: GateSettings,
    current: Comparison | None,
) -> Gate:
    """The gate's three checks: against_baseline, against_current, excess.

    `metrics` is the full season's part of `metrics.json`, `excess` maps each fit to its excess,
    `current` is None when there is no current model. A check of several crops looks at each one, as
    each one's figures are published, and its value is the worst: pooling would let the crop with
    the largest unit decide alone.
    """
    checks = (
        _against_baseline(metrics, settings.against_baseline),
        _against_current(current, settings.against_current),
        _excess(excess, settings.excess),
    )
    outcomes = {check.outcome for check in checks}
    order = (Outcome.FAILED, Outcome.PASSED, Outcome.NOT_EVALUATED)
    return Gate(next(outcome for outcome in order if outcome in outcomes), checks)


def decide(gate: Gate, first: bool, accepted: str | None = None) -> Decision:
    """Whether the run becomes the current one; `first`: there is none yet. `accepted`: somebody's reason."""
    if gate.outcome != Outcome.FAILED:
        return Decision(True, f"gate {gate.outcome}")
    if accepted is not None:
        return Decision(True, f"gate failed, accepted: {accepted}")
    if first:
        return Decision(True, "gate failed; published all the same, as there is no current model")
    return Decision(False, f"gate {gate.sentence}")


def compare(
    new: Forecaster,
    current: Forecaster,
    rows: SeasonTable,
    new_trained: SeasonTable,
    current_trained: SeasonTable,
    features: tuple[tuple[str, ...], tuple[str, ...]],
) -> Comparison:
    """Score two models anew on the harvests of `rows` that are in neither one's training rows.

    Region, season and crop tell a harvest. `features` are the new and the current model's, each known
    to its own cut-off; models of other features, or of no crop in common, aren't compared.
    """
    ours, theirs = features
    if set(ours) != set(theirs):
        odd = sorted(set(ours) ^ set(theirs))
        return Comparison({}, f"the models' features differ ({', '.join(odd[:5])})")
    measured = zip(new.crops, new.crop_units, strict=True)
    known = {*zip(current.crops, current.crop_units, strict=True)}
    shared = [crop for crop, unit in measured if (crop, unit) in known and crop in rows.crops]
    if not shared:
        return Comparison({}, "the models have no crop in common, in the same unit")
    mse: dict[str, tuple[int, float, float]] = {}
    new_NT, current_NT = new.predict(rows), current.predict(rows)
    for crop in shared:
        actual_N = rows.y_NT[:, rows.crops.index(crop)]
        fresh_N = np.isfinite(actual_N)
        fresh_N &= ~_among(rows, new_trained, crop) & ~_among(rows, current_trained, crop)
        if fresh_N.any():
            both = (new_NT[:, new.crops.index(crop)], current_NT[:, current.crops.index(crop)])
            new_mse, current_mse = (float(np.mean((y_N - actual_N)[fresh_N] ** 2)) for y_N in both)
            mse[crop] = (int(fresh_N.sum()), new_mse, current_mse)
    return Comparison(mse, "" if mse else "there is no harvest that neither model was trained on")


def _among(rows: SeasonTable, trained: SeasonTable, crop: str) -> Flags:
    """Which rows were trained on for a crop."""
    if crop not in trained.crops:
        return np.zeros(len(rows), dtype=np.bool_)
    known_N = np.isfinite(trained.y_NT[:, trained.crops.index(crop)])
    code = {name: at for at, name in enumerate(rows.region_names)}
    code_R = np.array([code.get(name, -1) for name in trained.region_names], dtype=np.int64)
    span = 100_000  # years lie within ±9999
    seen = code_R[trained.region_N[known_N]] * span + trained.year_N[known_N]
    return np.isin(rows.region_N * span + rows.year_N, seen)


def _against_baseline(metrics: Mapping[str, Any], tolerance: float) -> Check:
    name, threshold = AGAINST_BASELINE, 1 + tolerance
    test = metrics["splits"].get(str(SplitName.TEST))
    if test is None:
        return Check(name, Outcome.NOT_EVALUATED, "there are no test rows")
    ratios = {}
    for crop, scores in test["crops"].items():
        naive = {key: mse for key, mse in scores["baselines"].items() if mse is not None}
        if naive:
            best = min(naive, key=naive.__getitem__)
            ratios[crop] = (_ratio(scores["mse"], naive[best]), scores["mse"], naive[best], best)
    return _worst(name, ratios, threshold, "no naive baseline could be had")


def _against_current(current: Comparison | None, tolerance: float) -> Check:
    name, threshold = "against_current", 1 + tolerance
    if current is None:
        return Check(name, Outcome.NOT_EVALUATED, "there is no current model")
    ratios = {
        crop: (_ratio(new, old), new, old, f"the current model on {rows} rows")
        for crop, (rows, new, old) in current.mse.items()
    }
    return _worst(name, ratios, threshold, current.reason)


def _worst(
    name: str, ratios: Mapping[str, tuple[float, float | None, float, str]], threshold: float, absent: str
) -> Check:
    if not ratios:
        return Check(name, Outcome.NOT_EVALUATED, absent)
    worst = max(ratios, key=lambda crop: ratios[crop][0])
    value = ratios[worst][0]
    failed = [crop for crop, (ratio, *_) in ratios.items() if not ratio <= threshold]
    told = "; ".join(describe_check(crop, *ratios[crop][1:]) for crop in failed or [worst])
    outcome = Outcome.FAILED if failed else Outcome.PASSED
    # JSON knows no infinity
    return Check(name, outcome, told, value if math.isfinite(value) else None, threshold)


def describe_check(crop: str, mse: float | None, other: float, what: str) -> str:
    shown = "not a number" if mse is None else f"{mse:.4g}"
    return f"{crop}: MSE {shown}, {what} {other:.4g}"


def _ratio(mse: float | None, other: float) -> float:
    """MSE relative to another; infinite where it isn't finite or the other is perfect and it is not."""
    if mse is None or not math.isfinite(mse):
        return math.inf
    if other > 0:
        return mse / other
    return 1.0 if mse == 0 else math.inf


def _excess(excess: Mapping[str, float | None], threshold: float) -> Check:
    known = {fit: value for fit, value in excess.items() if value is not None}
    if not known:
        return Check("excess", Outcome.NOT_EVALUATED, "the exact optimum is zero, or unknown")
    worst = max(known, key=lambda fit: math.inf if math.isnan(known[fit]) else known[fit])
    value = known[worst]
    outcome = Outcome.PASSED if value <= threshold else Outcome.FAILED
    reason = f"{worst} fit: {value:.3g} above the exact optimum, {threshold:g} is allowed"
    return Check("excess", outcome, reason, value if math.isfinite(value) else None, threshold)
