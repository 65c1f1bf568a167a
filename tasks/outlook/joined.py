"""The outlooks of several seasons as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import pyarrow as pa

_KEYS = {
    "predictions": ["region", "year", "crop"],
    "drivers": ["region", "year", "crop"],
    "aggregates": ["level", "name", "year", "crop"],
    "record": ["level", "name", "year", "crop"],
    "history": ["level", "name", "year", "crop"],
    "weights": ["level", "name", "region", "year", "crop"],
}


def joined_outlook(parts: Sequence[Mapping[str, pa.Table]]) -> dict[str, pa.Table]:
    """The tables of each season's outlook by name, joined and sorted as each of them.

    Seasons that say nothing, which have predictions alone, are left out unless all are so.
    """
    telling = [part for part in parts if len(part) > 1] or list(parts[:1])
    if len(telling) == 1:
        return dict(telling[0])
    return {name: _joined([part[name] for part in telling], _KEYS[name]) for name in telling[0]}


def _joined(tables: Sequence[pa.Table], keys: list[str]) -> pa.Table:
    metadata = {key: value for table in tables for key, value in (table.schema.metadata or {}).items()}
    rows = pa.concat_tables([table.replace_schema_metadata() for table in tables])
    frame = rows.select(keys).to_pandas()
    if "level" in keys:  # the smallest first, as they come
        frame["level"] = frame["level"].map({level: at for at, level in enumerate(pd.unique(frame["level"]))})
    order = frame.sort_values(keys, na_position="last", kind="stable").index
    return rows.take(pa.array(order.to_numpy())).replace_schema_metadata(metadata).combine_chunks()
