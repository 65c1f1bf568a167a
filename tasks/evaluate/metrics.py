"""The evaluation of a run: its metrics and its table of scores, as they are published.

Shapes: N rows of a SeasonTable, T crops, G groups of entries.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.contracts.columns import EVALUATION, schema_of
from data.contracts.season_table import Floats, Integers, SeasonTable
from data.contracts.vocabulary import LEVELS, NAIVE_BASELINES, SplitName
from tasks.evaluate.calibration import Calibration
from tasks.evaluate.hindcast import Hindcast, hindcast
from tasks.evaluate.naive import naive_predictions
from tasks.evaluate.scores import score, skill_intervals
from tasks.model.forecaster import Forecaster

_SPLITS = (SplitName.TRAIN, SplitName.VALIDATION, SplitName.TEST)
_FIGURES = ("mse", "rmse", "mae", "bias", "r2", "skill")
_INTERVAL_FIGURES = ("coverage", "width", "interval_score")


def evaluate(model: Forecaster, table: SeasonTable, calibration: Calibration, as_of: str) -> Hindcast:
    """What the evaluation fit says of every row of a run's table, beside the naive baselines.

    The baselines learn from the training rows, as the model did; rows to forecast are left out.
    """
    past = table.take(table.split_N != SplitName.FORECAST)
    train = past.of_split(SplitName.TRAIN)
    return hindcast(model, past, calibration, as_of, naive_predictions(train, train, past))


def metrics(evaluated: Hindcast, excess: Mapping[str, float | None]) -> dict[str, Any]:
    """One cut-off's part of `metrics.json`: the excess as given, and S for each split that has rows.

    Keys beside the promised ones, in every M: width_80, interval_score_80 and _95, skill_interval_95
    (a pair, bootstrapped over whole seasons), and trend_coverage_L, trend_width_L and
    trend_interval_score_L of the intervals made the same way around the naive regional trend.
    A number that can't be had is None.
    """
    splits = {}
    for split in _SPLITS:
        rows = evaluated.harvested(split)
        if len(rows):
            splits[str(split)] = split_metrics(rows)
    return {"excess": {fit: _number(value) for fit, value in excess.items()}, "splits": splits}


def split_metrics(harvested: Hindcast) -> dict[str, Any]:
    """S of `metrics.json`: the scores of some harvested entries, pooled and for each crop they have."""
    scores = score(harvested, np.zeros(len(harvested), dtype=np.int64), 1)
    skill_T2, pooled_skill = skill_intervals(harvested)
    crops = {
        crop: _figures({key: values[0, at] for key, values in scores.crops.items()}, skill_T2[at])
        for at, crop in enumerate(harvested.crops)
        if scores.crops["rows"][0, at]
    }
    pooled = _figures({key: values[0] for key, values in scores.pooled.items()}, pooled_skill)
    return {"rows": pooled["rows"], "pooled": pooled, "crops": crops}


def _figures(scores: Mapping[str, Any], skill_interval: Floats) -> dict[str, Any]:
    figures: dict[str, Any] = {"rows": int(scores["rows"])}
    figures |= {key: _number(scores[key]) for key in _FIGURES}
    for prefix in ("", "trend_"):
        for level in LEVELS:
            figures |= {
                key: _number(scores.get(key))
                for key in (f"{prefix}{name}_{level}" for name in _INTERVAL_FIGURES)
            }
    interval = [_number(end) for end in skill_interval]
    figures["skill_interval_95"] = None if None in interval else interval
    figures["baselines"] = {name: _number(scores[f"mse_{name}"]) for name in NAIVE_BASELINES}
    return figures


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def evaluation_table(evaluated: Sequence[Hindcast]) -> pa.Table:
    """Scores laid out as `evaluation.parquet`, for each cut-off and split: all rows, by region, by season.

    Each for the crops together (crop null) and one by one; groups without a harvest are absent.
    """
    schema = schema_of(EVALUATION)
    tables = [schema.empty_table()]
    for each in evaluated:
        for split in _SPLITS:
            rows = each.harvested(split)
            if len(rows):
                tables += [_scores_table(rows, str(split), *group) for group in _groupings(rows)]
    return pa.concat_tables(tables)


def _groupings(rows: Hindcast) -> Iterator[tuple[Integers, Sequence[str | None], Sequence[int | None]]]:
    """The group of each entry, and each group's region and season, for the three ways of grouping."""
    yield np.zeros(len(rows), dtype=np.int64), [None], [None]
    regions, region_E = np.unique(rows.region_E, return_inverse=True)
    yield region_E, [rows.region_names[at] for at in regions], [None] * len(regions)
    years, year_E = np.unique(rows.year_E, return_inverse=True)
    yield year_E, [None] * len(years), years.tolist()


def _scores_table(
    rows: Hindcast,
    split: str,
    group_E: Integers,
    regions: Sequence[str | None],
    years: Sequence[int | None],
) -> pa.Table:
    groups, crops = len(regions), [None, *rows.crops]
    scores = score(rows, group_E, groups)
    figures = {key: np.column_stack([scores.pooled[key], scores.crops[key]]).ravel() for key in scores.pooled}
    labels = {
        "as_of": pa.repeat(pa.scalar(rows.as_of), groups * len(crops)),
        "split": pa.repeat(pa.scalar(split), groups * len(crops)),
        "crop": pa.array(crops * groups, pa.string()),
        "region": _each(regions, pa.string(), len(crops)),
        "year": _each(years, pa.int16(), len(crops)),
        "rows": pa.array(figures["rows"].astype(np.int64)),
    }
    columns = [
        labels[column.name] if column.name in labels else _nullable(figures[column.name])
        for column in EVALUATION
    ]
    table = pa.Table.from_arrays(columns, schema=schema_of(EVALUATION))
    return table.filter(pa.array(figures["rows"] > 0))


def _each(values: Sequence[Any], kind: pa.DataType, times: int) -> pa.Array:
    return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(values)), times)))


def _nullable(values: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(np.where(np.isfinite(values), values, np.nan), pa.float64(), from_pandas=True)
