"""The gate: separate checks of a finished run, their outcome, and the decision to make it current.

Shapes: N rows of a SeasonTable, T crops.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from data.contracts.season_table import Flags, SeasonTable, recode
from data.contracts.vocabulary import MAIN, SplitName, best_baseline
from data.contracts.wording import number, signed_percent
from data.settings.schema import Gate as GateSettings
from tasks.yields.level_break import describe_level_break

if TYPE_CHECKING:  # the gate on a finished run is judged without torch
    from tasks.model.forecaster import Forecaster


AGAINST_BASELINE, AGAINST_CURRENT, EXCESS, SOUND = "against_baseline", "against_current", "excess", "sound"

_LEAST_TRAINING_R2, _LEAST_TEST_R2 = 0.0, -3.0

_ADVICE = {
    AGAINST_BASELINE: "a naive forecast does better: try other features or seasons, or leave the crop out",
    AGAINST_CURRENT: "the current model does better: compare inputs and settings of both in `cropyield show`",
    EXCESS: 'training ended far from the optimum: allow more training.epochs, with learning_rate = "auto"',
    SOUND: "look for a change of unit or for faults in the yields: convert or remove these rows",
}


class Outcome(StrEnum):
    """What a check, or the whole gate, came to."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EVALUATED = "not evaluated"


@dataclass(frozen=True)
class Check:
    """One check of a crop (None: of all in the season), with the number that decided and its limit.

    `value` is a skill, which must be at least `threshold`, or a ratio or excess, which must be at most
    that; both are None where it wasn't evaluated, and for `sound`, which is several numbers.
    """

    name: str
    outcome: Outcome
    reason: str
    value: float | None = None
    threshold: float | None = None
    crop: str | None = None
    season: str = MAIN


@dataclass(frozen=True)
class Gate:
    """The checks and what they come to together."""

    outcome: Outcome
    checks: tuple[Check, ...]

    @property
    def sentence(self) -> str:
        """The outcome with its reasons; where it passed, whether anything was tested at all."""
        if self.outcome == Outcome.PASSED:
            untested = [
                replace(check, name=f"{check.name} {check.outcome}")
                for check in self.checks
                if check.name == AGAINST_BASELINE and check.outcome == Outcome.NOT_EVALUATED
            ]
            why = _grouped(untested)
        else:
            why = _grouped(check for check in self.checks if check.outcome == self.outcome)
        return f"{self.outcome} ({'; '.join(why)})" if why else str(self.outcome)

    @property
    def advice(self) -> str:
        """What to look at where checks failed; empty where none did."""
        failed = {check.name for check in self.checks if check.outcome == Outcome.FAILED}
        return "; ".join(advice for name, advice in _ADVICE.items() if name in failed)


def _grouped(checks: Iterable[Check]) -> list[str]:
    """A clause for each reason, with the crops that it holds for."""
    crops: dict[tuple[str, str], list[str]] = {}
    for check in checks:
        crops.setdefault((check.name, check.reason), []).extend([check.crop] if check.crop else [])
    return [f"{', '.join([name, *of])}: {reason}" for (name, reason), of in crops.items()]


@dataclass(frozen=True)
class Comparison:
    """The new and the current model on the same rows, which neither was trained on.

    `mse` maps each crop to (rows, MSE of the new model, MSE of the current one), in the crop's unit
    squared; empty when there is nothing to compare, for the `reason` given.
    """

    mse: Mapping[str, tuple[int, float, float]]
    reason: str = ""


@dataclass(frozen=True)
class Judged:
    """What the gate looks at, of one season.

    `metrics` is the full season's part of `metrics.json`, `breaks` maps crops to the break in the level
    of their yields (None: there is none), `current` is None when there is no current model.
    """

    metrics: Mapping[str, Any]
    breaks: Mapping[str, Any]
    current: Comparison | None


@dataclass(frozen=True)
class Decision:
    """Whether a run is published, and why."""

    publish: bool
    reason: str


def judge(judged: Mapping[str, Judged], settings: GateSettings) -> Gate:
    """The gate: against_baseline, against_current and sound of each crop, excess of each season.

    Crops are judged one by one, as their figures are published: pooling would let the crop with the
    largest unit decide alone.
    """
    checks = tuple(
        replace(check, season=season) for season, of in judged.items() for check in _checks(of, settings)
    )
    outcomes = {check.outcome for check in checks}
    order = (Outcome.FAILED, Outcome.PASSED, Outcome.NOT_EVALUATED)
    return Gate(next(outcome for outcome in order if outcome in outcomes), checks)


def _checks(of: Judged, settings: GateSettings) -> list[Check]:
    splits = of.metrics["splits"].values()
    crops = list(dict.fromkeys(crop for split in splits for crop in split["crops"]))
    return [
        *(_against_baseline(crop, of.metrics, settings.against_baseline) for crop in crops),
        *(_against_current(crop, of.current, settings.against_current) for crop in crops),
        *(_sound(crop, of.metrics, of.breaks.get(crop)) for crop in crops),
        _excess(of.metrics["excess"], settings.excess),
    ]


def decide(gate: Gate, accepted: str | None = None) -> Decision:
    """Whether a run becomes the current one; `accepted`: somebody's reason to publish it all the same."""
    if gate.outcome != Outcome.FAILED:
        return Decision(True, f"gate {gate.outcome}")
    if accepted is not None:
        return Decision(True, f"gate failed, accepted: {accepted}")
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
    region_N = recode(trained.region_N[known_N], trained.region_names, rows.region_names)
    span = 100_000  # years lie within ±9999
    seen = region_N * span + trained.year_N[known_N]
    return np.isin(rows.region_N * span + rows.year_N, seen)


def _against_baseline(crop: str, metrics: Mapping[str, Any], tolerance: float) -> Check:
    """Fails where the skill is below -tolerance for certain: by its interval, with few seasons by itself."""
    test = metrics["splits"].get(str(SplitName.TEST), {"crops": {}})
    scores = test["crops"].get(crop)
    if scores is None:
        return Check(AGAINST_BASELINE, Outcome.NOT_EVALUATED, "there are no test rows", crop=crop)
    best, least = best_baseline(scores["baselines"])
    if best is None or least is None:
        return Check(AGAINST_BASELINE, Outcome.NOT_EVALUATED, "no naive baseline could be had", crop=crop)
    shown = "not a number" if scores["mse"] is None else number(scores["mse"])
    reason = f"MSE {shown}, {best} {number(least)}"
    decides = _skill(scores["mse"], least)
    if math.isfinite(decides):
        reason += f", skill {decides:.2f}"
        if interval := scores.get("skill_interval_95"):
            reason += f" (95 %: {interval[0]:.2f} to {interval[1]:.2f})"
            decides = interval[1]
        reason += f", refused where {'all of it' if interval else 'it'} is below {-tolerance:g}"
    return _limited(AGAINST_BASELINE, crop, reason, decides, -tolerance, decides >= -tolerance)


def _against_current(crop: str, current: Comparison | None, tolerance: float) -> Check:
    if current is None:
        return Check(AGAINST_CURRENT, Outcome.NOT_EVALUATED, "there is no current model", crop=crop)
    if crop not in current.mse:
        why = current.reason or "the current model has no harvest of it to compare"
        return Check(AGAINST_CURRENT, Outcome.NOT_EVALUATED, why, crop=crop)
    rows, new, old = current.mse[crop]
    ratio = 1 - _skill(new, old)
    reason = f"MSE {number(new)}, the current model {number(old)} on {rows} rows"
    if math.isfinite(ratio):
        reason += f": {signed_percent(ratio - 1)}, up to +{100 * tolerance:g}\N{NO-BREAK SPACE}% is allowed"
    return _limited(AGAINST_CURRENT, crop, reason, ratio, 1 + tolerance, ratio <= 1 + tolerance)


def _sound(crop: str, metrics: Mapping[str, Any], broken: Mapping[str, Any] | None) -> Check:
    """Fails where the fit explains less than nothing, or where the yields change their level."""
    faults, facts = [], []
    limits = {SplitName.TRAIN: _LEAST_TRAINING_R2, SplitName.TEST: _LEAST_TEST_R2}
    for split, least in limits.items():
        scores = metrics["splits"].get(str(split), {"crops": {}})["crops"].get(crop, {})
        if (r2 := scores.get("r2")) is not None:
            words = f"{split} R² {r2:.3g}"
            facts.append(words)
            if not r2 >= least:
                faults.append(f"{words} is below {least:g}")
    if broken is not None:
        faults.append(describe_level_break(**broken))
    if faults:
        return Check(SOUND, Outcome.FAILED, "; ".join(faults), crop=crop)
    if not facts:
        return Check(SOUND, Outcome.NOT_EVALUATED, "R² is unknown: the yields don't vary", crop=crop)
    return Check(SOUND, Outcome.PASSED, f"{', '.join(facts)}, no break in the level of yields", crop=crop)


def _limited(name: str, crop: str | None, reason: str, value: float, threshold: float, passed: bool) -> Check:
    outcome = Outcome.PASSED if passed else Outcome.FAILED
    # JSON knows no infinity
    return Check(name, outcome, reason, value if math.isfinite(value) else None, threshold, crop)


def _skill(mse: float | None, other: float) -> float:
    """1 - MSE / another; minus infinity where it isn't finite or the other is perfect and it is not."""
    if mse is None or not math.isfinite(mse):
        return -math.inf
    if other > 0:
        return 1 - mse / other
    return 0.0 if mse == 0 else -math.inf


def _excess(excess: Mapping[str, float | None], threshold: float) -> Check:
    known = {fit: value for fit, value in excess.items() if value is not None}
    if not known:
        return Check(EXCESS, Outcome.NOT_EVALUATED, "the exact optimum is zero, or unknown")
    worst = max(known, key=lambda fit: math.inf if math.isnan(known[fit]) else known[fit])
    value = known[worst]
    reason = f"{worst} fit: {value:.3g} above the exact optimum, {threshold:g} is allowed"
    return _limited(EXCESS, None, reason, value, threshold, value <= threshold)
