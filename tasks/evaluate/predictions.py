"""The table of predictions, laid out as it is published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from data.contracts.columns import (
    AS_OF,
    CROP,
    PREDICTION_COLUMNS,
    REGION,
    SEASON,
    SEASON_YEAR,
    UNIT,
    schema_of,
)
from data.contracts.season_table import recode
from tasks.evaluate.hindcast import Hindcast, named


def predictions_of(hindcasts: Sequence[Hindcast], run_id: str) -> pa.Table:
    """Hindcasts laid out as `predictions.parquet`, sorted by region, year, crop and cut-off.

    Cut-offs keep the order in which they are first given, which is that of the season's calendar.
    The schema's metadata holds its version and, for each crop, `unit:CROP`.
    """
    units = {
        f"unit:{crop}": unit
        for each in hindcasts
        for crop, unit in zip(each.crops, each.crop_units, strict=True)
        if unit
    }
    schema = schema_of(PREDICTION_COLUMNS, dict(sorted(units.items())))
    if not hindcasts:
        return schema.empty_table()
    columns = _columns(hindcasts, run_id)
    return pa.table([columns[column.name] for column in PREDICTION_COLUMNS], schema=schema)


def _columns(hindcasts: Sequence[Hindcast], run_id: str) -> dict[str, pa.Array]:
    """Each column in its order: rows are sorted by numbers before they get names, which take more memory."""
    regions = _distinct(each.region_names for each in hindcasts)
    crops = _distinct(each.crops for each in hindcasts)
    units = list({unit for each in hindcasts for unit in each.crop_units})
    cutoffs = list(dict.fromkeys((each.season, each.as_of) for each in hindcasts))

    def joined(of: Callable[[Hindcast], Any]) -> Any:
        return np.concatenate([of(each) for each in hindcasts])

    region_E = joined(lambda each: recode(each.region_E, each.region_names, regions))
    crop_E = joined(lambda each: recode(each.crop_E, each.crops, crops))
    unit_E = joined(
        lambda each: np.array([units.index(unit) for unit in each.crop_units], np.int64)[each.crop_E]
    )
    cutoff_E = joined(lambda each: np.full(len(each), cutoffs.index((each.season, each.as_of))))
    year_E = joined(lambda each: each.year_E)
    order_E = np.lexsort((cutoff_E, crop_E, year_E, region_E))

    def sorted_by_key(of: Callable[[Hindcast], Any]) -> Any:
        return joined(of)[order_E]

    columns = {
        REGION.name: named(region_E[order_E], regions),
        SEASON_YEAR.name: pa.array(year_E[order_E], SEASON_YEAR.type),
        CROP.name: named(crop_E[order_E], crops),
        SEASON.name: named(cutoff_E[order_E], [season for season, _ in cutoffs]),
        AS_OF.name: named(cutoff_E[order_E], [as_of for _, as_of in cutoffs]),
        UNIT.name: named(unit_E[order_E], units),
        "predicted": pa.array(sorted_by_key(lambda each: each.predicted_E)),
        "baseline": pa.array(sorted_by_key(lambda each: each.baseline_E)),
        "actual": pa.array(sorted_by_key(lambda each: each.actual_E), from_pandas=True),
        "split": pa.array(sorted_by_key(lambda each: each.split_E), pa.string()),
        "known_region": pa.array(sorted_by_key(lambda each: each.known_E)),
        "run_id": pa.repeat(pa.scalar(run_id), len(order_E)),
    }
    for level in hindcasts[0].half_width:
        ends = [each.interval(level) for each in hindcasts]
        for name, end in zip(("lower", "upper"), zip(*ends, strict=True), strict=True):
            columns[f"{name}_{level}"] = pa.array(np.concatenate(end)[order_E], from_pandas=True)
    return columns


def _distinct(names: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(sorted({name for some in names for name in some}))
