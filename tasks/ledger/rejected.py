"""The table of rejected rows: file, row, key, values and reason of each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.contracts.columns import REJECTED, schema_of
from data.contracts.season_table import Flags, Integers
from data.contracts.vocabulary import Reason
from data.inputs.parsing import as_found, name_of

SCHEMA = schema_of(REJECTED)
RANK = {reason: rank for rank, reason in enumerate(Reason)}
REASONS = tuple(Reason)
NONE = pa.Table.from_batches([], SCHEMA)  # not by way of pa.array, which imports pandas


def reject(
    input_name: str,
    file: str,
    rows: Sequence[int],
    found: pa.RecordBatch | pa.Table,
    faults: Sequence[tuple[Reason, str | None]],
    keys: Mapping[str, Sequence[str]],
    used: Mapping[str, str],
) -> pa.Table:
    """Rejected rows of one file, laid out as contracts.REJECTED.

    `found` holds the rows as they are in the source and `rows` their positions in it; `faults` gives
    reason and column at fault of each. `keys` names the source's columns that make up region, date
    (date, or year and month) and crop; `used` maps our names of the row's values to the source's.
    """
    columns = {name: found[name].to_pylist() for name in found.schema.names}
    count = len(rows)
    shown: dict[str, list[str | None]] = {}
    for key in ("region", "date", "crop"):
        parts = [columns[source] for source in keys.get(key, ())]
        shown[key] = [_joined(values) for values in zip(*parts, strict=True)] if parts else [None] * count
    values = [
        json.dumps({key: _plain(columns[source][at]) for key, source in used.items()}, ensure_ascii=False)
        for at in range(count)
    ]
    return pa.table(
        {
            "input": [input_name] * count,
            "file": [file] * count,
            "row": pa.array(rows, pa.int64()),
            **shown,
            "column": [column for _, column in faults],
            "value": [
                None if column is None else as_found(columns[column][at])
                for at, (_, column) in enumerate(faults)
            ],
            "values": values,
            "reason": [str(reason) for reason, _ in faults],
            "season": pa.nulls(count, pa.string()),
        },
        SCHEMA,
    )


def of_season(table: pa.Table, season: str) -> pa.Table:
    """Rejected rows as those of one season, which are not at fault themselves."""
    at = table.schema.get_field_index("season")
    return table.set_column(at, SCHEMA.field("season"), pa.repeat(pa.scalar(season), len(table)))


def merge_seasons(tables: Sequence[pa.Table]) -> pa.Table:
    """The rejected rows of several seasons, each row that is itself at fault once."""
    if len(tables) == 1:
        return tables[0]
    rows = pa.concat_tables(tables)
    return sort(rows.group_by(SCHEMA.names, use_threads=False).aggregate([]).cast(SCHEMA))


def first_fault(faults: Sequence[tuple[Reason, str, Flags]], rows: int) -> Integers:
    """Which fault each row (N) is rejected for: the first reason, then the first column; -1: none."""
    fault_N = np.full(rows, -1, np.int64)
    for at in sorted(range(len(faults)), key=lambda at: RANK[faults[at][0]]):
        fault_N[faults[at][2] & (fault_N < 0)] = at
    return fault_N


def counts(table: pa.Table) -> dict[str, int]:
    """Rows per reason, in the order of the reasons."""
    found = {entry["values"]: entry["counts"] for entry in table["reason"].value_counts().to_pylist()}
    return {str(reason): found[str(reason)] for reason in Reason if str(reason) in found}


def sort(table: pa.Table) -> pa.Table:
    """Sorted by input, file and row; cells of one row keep their order."""
    order = [(name, "ascending") for name in ("input", "file", "row")]
    numbered = table.append_column("at", pa.array(range(len(table)), pa.int64()))
    return numbered.sort_by([*order, ("at", "ascending")]).drop_columns(["at"]).combine_chunks()


def positions(table: pa.Table) -> dict[str, npt.NDArray[np.int64]]:
    """The rejected rows of each file."""
    row_N, file_N = table["row"].to_numpy(), np.array(table["file"].to_pylist(), dtype=object)
    return {file: row_N[file_N == file] for file in dict.fromkeys(file_N.tolist())}


def _joined(values: tuple[Any, ...]) -> str | None:
    if len(values) == 1:
        return as_found(values[0])
    texts = [name_of(value) for value in values]
    return "-".join([texts[0], *(text.zfill(2) for text in texts[1:])]) if any(texts) else None


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, (int, str)) else as_found(value)
