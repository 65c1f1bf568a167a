"""Backtests: each of the last seasons predicted by a model that hasn't seen it.

Rolling origin learns from the seasons before only. Leave-one-out learns from all others and so peeks
at later years; it stands beside for comparison with figures that were made that way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from data.contracts.columns import AS_OF, CROP, SEASON
from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import NAIVE_BASELINES, SplitName, best_baseline
from data.errors import InputError
from data.settings.expand import fewest_rows
from data.settings.schema import Settings
from tasks.evaluate.calibration import Calibration, calibrate, leads_to, learnable, of_crops
from tasks.evaluate.hindcast import Hindcast, hindcast, join
from tasks.evaluate.metrics import Scored
from tasks.evaluate.naive import naive_predictions
from tasks.model.forecaster import Forecaster
from tasks.train.fit import fit_model

PEEKING = "leave-one-out: peeks at later years"


class Fit(Protocol):
    """Fits a model to a table of training rows."""

    def __call__(self, table: SeasonTable, settings: Settings, as_of: str, /) -> Forecaster: ...


def backtest_seasons(table: SeasonTable, settings: Settings, seasons: int) -> tuple[int, ...]:
    """The last seasons with a harvest that can be predicted from those before, oldest first.

    At most as many as asked for; fewer where the earliest leave too few rows to learn from.
    """
    known = np.unique(table.year_N[np.isfinite(table.y_NT).any(axis=1)])
    last = [int(year) for year in known[max(0, len(known) - seasons) :]]
    return tuple(year for year in last if learnable(table.take(table.year_N < year), settings))


@dataclass(frozen=True, eq=False)
class Backtest:
    """A held-out season: what was said of it, by which model, how calibrated, from which rows."""

    hindcast: Hindcast
    model: Forecaster
    calibration: Calibration
    train: SeasonTable


def backtest_season(
    table: SeasonTable,
    settings: Settings,
    as_of: str,
    season: int,
    leave_one_out: bool = False,
    fit: Fit = fit_model,
    crop_units: Mapping[str, str | None] | None = None,
) -> Backtest:
    """One season, as a model at one cut-off would have predicted it, with intervals and naive baselines.

    `table` has the features known by `as_of`; its own split plays no part. The model, the baselines
    and the intervals learn from the seasons before, or, `leave_one_out`, from all others; the last
    five seasons are those before in either case. Crops with fewer training rows than `fewest_rows` are left
    out. Raises InputError when none is left.
    """
    others = table.year_N != season if leave_one_out else table.year_N < season
    train = _marked(table.take(others), SplitName.TRAIN)
    rows = _marked(table.take(table.year_N == season), SplitName.TEST)
    at_T = learnable(train, settings)
    if not at_T:
        raise InputError(
            f"season {season}: no crop has the {fewest_rows(settings, table.features)} rows to learn from "
            "that these features ask for; hold out fewer seasons or use fewer features"
        )
    train, rows = of_crops(train, at_T), of_crops(rows, at_T)
    history = train.take(train.year_N < season)
    naive = naive_predictions(train, history, rows)
    calibration = calibrate(train, settings, leads_to(train, rows))
    model = fit(train, settings, as_of)
    made = hindcast(model, rows, calibration, as_of, naive)
    if crop_units is not None:
        made = replace(made, crop_units=tuple(crop_units.get(crop) for crop in made.crops))
    return Backtest(made, model, calibration, train)


def summarise(hindcasts: Sequence[Hindcast], leave_one_out: bool = False) -> dict[str, Any]:
    """`metrics.json` of a backtest: the layout of a run's, with all its seasons as one test split.

    Beside it `years`, the harvest years predicted, and `made`: how.
    """
    by_cutoff = _joined(hindcasts)
    seasons: dict[str, Any] = {}
    for each in by_cutoff:
        seasons.setdefault(each.season, {"as_of": {}})["as_of"][each.as_of] = Scored(each).metrics({})
    return {
        "made": PEEKING if leave_one_out else "rolling origin",
        "years": sorted({int(year) for each in by_cutoff for year in each.year_E}),
        "seasons": seasons,
    }


def skill_curve(hindcasts: Sequence[Hindcast]) -> pa.Table:
    """Skill by cut-off and crop (null: pooled), in the order given, with its 95 % bootstrap over seasons.

    `best_baseline` names the naive baseline that the skill is against.
    """
    rows: list[dict[str, Any]] = []
    for each in _joined(hindcasts):
        test = Scored(each).metrics({})["splits"].get(str(SplitName.TEST), {"crops": {}})
        scored = ([(None, test["pooled"])] if "pooled" in test else []) + list(test["crops"].items())
        rows += [_point(each, crop, scores) for crop, scores in scored]
    return pa.Table.from_pylist(rows, _CURVE)


_CURVE = pa.schema(
    [
        pa.field(SEASON.name, pa.string(), False),
        pa.field(AS_OF.name, pa.string(), False),
        pa.field(CROP.name, pa.string()),
        pa.field("seasons", pa.int64(), False),
        pa.field("rows", pa.int64(), False),
        *(pa.field(name, pa.float64()) for name in ("skill", "skill_lower_95", "skill_upper_95")),
        pa.field("best_baseline", pa.string()),
        *(pa.field(name, pa.float64()) for name in ("mse", *(f"mse_{name}" for name in NAIVE_BASELINES))),
    ]
)


def _point(each: Hindcast, crop: str | None, scores: Mapping[str, Any]) -> dict[str, Any]:
    observed = each.harvested()
    if crop is not None:
        observed = observed.take(observed.crop_E == observed.crops.index(crop))
    lower, upper = scores["skill_interval_95"] or (None, None)
    best, _ = best_baseline(scores["baselines"])
    return {
        SEASON.name: each.season,
        AS_OF.name: each.as_of,
        CROP.name: crop,
        "seasons": len(np.unique(observed.year_E)),
        "rows": scores["rows"],
        "skill": scores["skill"],
        "skill_lower_95": lower,
        "skill_upper_95": upper,
        "best_baseline": best,
        "mse": scores["mse"],
    } | {f"mse_{name}": mse for name, mse in scores["baselines"].items()}


def _joined(hindcasts: Sequence[Hindcast]) -> list[Hindcast]:
    made: dict[tuple[str, str], list[Hindcast]] = {}
    for each in hindcasts:
        made.setdefault((each.season, each.as_of), []).append(each)
    return [join(alike) for alike in made.values()]


def _marked(table: SeasonTable, split: SplitName) -> SeasonTable:
    return replace(table, split_N=np.full(len(table), str(split)))
