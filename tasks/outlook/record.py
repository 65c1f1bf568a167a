"""The record: what a forecast said of seasons to come, regions and larger units in one table."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from data.contracts.columns import OF_REGION, RECORD_COLUMNS, schema_of
from data.settings.calendar import cutoff_day
from data.settings.schema import Season


def record_of(predictions: pa.Table, aggregates: pa.Table, last_season: int, season: Season) -> pa.Table:
    """A forecast's rows for harvest years after the model's last season, as contracts.RECORD_COLUMNS.

    `predictions` and `aggregates` are the forecast's; columns that an older one lacks are null. A function of
    the forecast alone, with no number and no time in it. Sorted by level, name, year and crop.
    """
    regional = predictions.to_pandas().assign(level=OF_REGION)
    regional = regional.rename(columns={"region": "name"})
    larger = aggregates.to_pandas()
    frame = pd.concat([regional, larger[larger["predicted"].notna()]], ignore_index=True)
    frame = frame[frame["year"] > last_season]
    frame["season"] = frame["season"].fillna("main") if "season" in frame else "main"
    pairs = zip(frame["year"], frame["as_of"], strict=True)
    frame["lead_days"] = [
        (cutoff_day(season, year, season.end) - cutoff_day(season, year, as_of)).days for year, as_of in pairs
    ]
    schema = schema_of(RECORD_COLUMNS)
    order = ["level", "name", "year", "crop", "as_of"]
    frame = frame.reindex(columns=schema.names).sort_values(order, na_position="last", ignore_index=True)
    table = pa.Table.from_pandas(frame, schema.remove_metadata(), preserve_index=False)
    return table.replace_schema_metadata(schema.metadata)
