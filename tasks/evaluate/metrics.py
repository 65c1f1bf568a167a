"""The evaluation of a run: its metrics and its table of scores, as they are published."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from data.contracts.columns import EVALUATION, REGION, SEASON_YEAR, SPLIT, schema_of
from data.contracts.season_table import Floats, SeasonTable
from data.contracts.vocabulary import LEVELS, NAIVE_BASELINES, SplitName
from tasks.evaluate.calibration import Calibration
from tasks.evaluate.hindcast import Hindcast, hindcast
from tasks.evaluate.naive import naive_predictions
from tasks.evaluate.scores import FOR_SKILL, INTERVAL_FIGURES, entries_of, score, skill_intervals
from tasks.model.forecaster import Forecaster

_SPLITS = (SplitName.TRAIN, SplitName.VALIDATION, SplitName.TEST)
_FIGURES = ("mse", "rmse", "mae", "bias", "r2", "skill")


def evaluate(model: Forecaster, table: SeasonTable, calibration: Calibration, as_of: str) -> Hindcast:
    """What the evaluation fit says of every row of a run's table, beside the naive baselines.

    The baselines learn from the training rows, as the model did; rows to forecast are left out.
    """
    past = table.take(table.split_N != SplitName.FORECAST)
    train = past.of_split(SplitName.TRAIN)
    return hindcast(model, past, calibration, as_of, naive_predictions(train, train, past))


class Scored:
    """The scores of one cut-off, from what each of its harvests adds to them.

    `entries` are `scores.entries_of` its harvested rows, of all splits.
    """

    def __init__(self, evaluated: Hindcast) -> None:
        self.evaluated = evaluated
        self.entries = entries_of(evaluated.harvested(*_SPLITS))
        self._by_split = score(self.entries, [SPLIT.name])

    def metrics(self, excess: Mapping[str, float | None]) -> dict[str, Any]:
        """One cut-off's part of `metrics.json`: the excess as given, and S for each split that has rows.

        Keys beside the promised ones, in every M: width_80, interval_score_80 and _95, skill_interval_95
        (a pair, bootstrapped over whole seasons), and trend_coverage_L, trend_width_L and
        trend_interval_score_L of the intervals made the same way around the naive regional trend.
        A number that can't be had is None.
        """
        crops, pooled = self._by_split
        splits = {}
        for split in pooled.index:
            of_split = self.entries.loc[self.entries[SPLIT.name] == split, FOR_SKILL]
            intervals = skill_intervals(of_split)
            figures = _figures(pooled.loc[split].to_dict(), intervals[None])
            splits[str(split)] = {
                "rows": figures["rows"],
                "pooled": figures,
                "crops": {
                    str(crop): _figures(scores, intervals[str(crop)])
                    for crop, scores in crops.loc[split].to_dict("index").items()
                },
            }
        return {"excess": {fit: _number(value) for fit, value in excess.items()}, "splits": splits}

    def table(self) -> pa.Table:
        """Scores laid out as `evaluation.parquet`, for each split: all rows, by region, by season.

        Each for the crops together (crop null) and one by one; groups without a harvest are absent.
        """
        grouped = [
            self._by_split,
            *(score(self.entries, [SPLIT.name, by]) for by in (REGION.name, SEASON_YEAR.name)),
        ]
        frame = pd.concat(
            [scores.reset_index().assign(kind=kind) for kind, both in enumerate(grouped) for scores in both]
        )
        position = {crop: at for at, crop in enumerate(self.evaluated.crops)}
        frame = frame.assign(season=self.evaluated.season, as_of=self.evaluated.as_of)
        frame = frame.assign(at=frame["crop"].map(position).astype(float).fillna(-1))
        frame = frame.sort_values(["split", "kind", "region", "year", "at"])
        columns = {
            column.name: pa.array(frame[column.name], column.type, from_pandas=True) for column in EVALUATION
        }
        return pa.table(columns, schema=schema_of(EVALUATION))


def _figures(scores: Mapping[Any, Any], skill_interval: Floats) -> dict[str, Any]:
    names = [
        f"{prefix}{name}_{level}"
        for prefix in ("", "trend_")
        for level in LEVELS
        for name in INTERVAL_FIGURES
    ]
    interval = [_number(end) for end in skill_interval]
    return {
        "rows": int(scores["rows"]),
        **{key: _number(scores.get(key)) for key in (*_FIGURES, *names)},
        "skill_interval_95": None if None in interval else interval,
        "baselines": {name: _number(scores[f"mse_{name}"]) for name in NAIVE_BASELINES},
    }


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
