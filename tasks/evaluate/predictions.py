"""The table of predictions, laid out as it is published."""

from __future__ import annotations

from collections.abc import Sequence

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
from tasks.evaluate.hindcast import (
    Hindcast,
    _named,
)

_KEY = (REGION.name, SEASON_YEAR.name, CROP.name)
_RANK = "rank"  # of the cut-off


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
    order = list(dict.fromkeys((each.season, each.as_of) for each in hindcasts))
    ranked = [schema.empty_table().append_column(_RANK, pa.array([], pa.int64()))]
    for each in hindcasts:
        rank = pa.array([order.index((each.season, each.as_of))] * len(each), pa.int64())
        table = pa.table(_prediction_columns(each, run_id), schema=schema)
        ranked.append(table.append_column(_RANK, rank))
    rows = pa.concat_tables(ranked).sort_by([(key, "ascending") for key in (*_KEY, _RANK)])
    return rows.drop_columns([_RANK]).combine_chunks()


def _prediction_columns(each: Hindcast, run_id: str) -> dict[str, pa.Array]:
    columns = {
        REGION.name: _named(each.region_E, each.region_names),
        SEASON_YEAR.name: pa.array(each.year_E, SEASON_YEAR.type),
        CROP.name: _named(each.crop_E, each.crops),
        SEASON.name: pa.repeat(pa.scalar(each.season), len(each)),
        AS_OF.name: pa.repeat(pa.scalar(each.as_of), len(each)),
        UNIT.name: _named(each.crop_E, each.crop_units),
        "predicted": pa.array(each.predicted_E),
        "baseline": pa.array(each.baseline_E),
        "actual": pa.array(each.actual_E, from_pandas=True),
        "split": pa.array(each.split_E.tolist(), pa.string()),
        "known_region": pa.array(each.known_E),
        "run_id": pa.repeat(pa.scalar(run_id), len(each)),
    }
    for level in each.half_width:
        lower_E, upper_E = each.interval(level)
        columns[f"lower_{level}"] = pa.array(lower_E, from_pandas=True)
        columns[f"upper_{level}"] = pa.array(upper_E, from_pandas=True)
    return {column.name: columns[column.name] for column in PREDICTION_COLUMNS}
