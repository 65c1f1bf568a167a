"""The table of rejected rows: file, row, key, values and reason of each."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.contracts.columns import REJECTED, schema_of
from data.contracts.season_table import Flags, Integers
from data.contracts.vocabulary import Reason
from data.inputs.parsing import kind_of, texts

SCHEMA = schema_of(REJECTED)
RANK = {reason: rank for rank, reason in enumerate(Reason)}
REASONS = tuple(Reason)
NONE = pa.Table.from_batches([], SCHEMA)  # not by way of pa.array, which imports pandas


@dataclass(frozen=True, eq=False)
class Faults:
    """What N rows are rejected for: reasons, each with the source's column at fault, and which is whose."""

    kinds: Sequence[tuple[Reason, str | None]]
    kind_N: Integers


def reject(
    input_name: str,
    file: str,
    row_N: Integers,
    found: pa.RecordBatch | pa.Table,
    faults: Faults,
    keys: Mapping[str, Sequence[str]],
    used: Mapping[str, str],
) -> pa.Table:
    """Rejected rows of one file, laid out as contracts.REJECTED.

    `found` holds the rows as they are in the source and `row_N` their positions in it. `keys` names the
    source's columns that make up region, date (date, or year and month) and crop; `used` maps our names
    of the row's values to the source's.
    """
    count = len(row_N)
    none = pa.nulls(count, pa.string())
    if isinstance(found, pa.Table):
        (found,) = found.combine_chunks().to_batches()
    shown = {name: texts(found[name]) for name in found.schema.names}
    parts = {key: [shown[source] for source in keys.get(key, ())] for key in ("region", "date", "crop")}
    value = none
    at_fault = {faults.kinds[at][1] for at in np.unique(faults.kind_N)} - {None}
    for column in at_fault:
        of_column = [at for at, (_, source) in enumerate(faults.kinds) if source == column]
        value = pc.if_else(pa.array(np.isin(faults.kind_N, of_column)), shown[column], value)
    kind_N = pa.array(faults.kind_N)
    columns = {
        "input": pa.repeat(input_name, count),
        "file": pa.repeat(file, count),
        "row": pa.array(row_N, pa.int64()),
        **{key: _joined(columns) if columns else none for key, columns in parts.items()},
        "column": pa.array([column for _, column in faults.kinds], pa.string()).take(kind_N),
        "value": value,
        "values": _json({key: (found[source], shown[source]) for key, source in used.items()}, count),
        "reason": pa.array([str(reason) for reason, _ in faults.kinds], pa.string()).take(kind_N),
        "season": none,
    }
    return pa.table(columns, SCHEMA)


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
    # mostly a chunk holds rows of one file in their order, so that moving whole ones will do
    chunks = sorted((chunk for chunk in table.to_batches() if len(chunk)), key=_place)
    moved = pa.Table.from_batches(chunks, table.schema)
    if _in_order(chunks):
        return moved  # as it lies: putting the chunks together would double the memory
    row_N = table["row"].to_numpy()
    (input_N, _), (file_N, _) = (_ranks(table[name]) for name in ("input", "file"))
    return table.take(np.lexsort([row_N, file_N, input_N])).combine_chunks()  # lexsort is stable


def _place(chunk: pa.RecordBatch, row: int = 0) -> tuple[str, str, int]:
    return chunk["input"][row].as_py(), chunk["file"][row].as_py(), chunk["row"][row].as_py()


def _in_order(chunks: Sequence[pa.RecordBatch]) -> bool:
    """Whether each row comes after the one before it, so that none shares its place with another."""
    last: tuple[str, str, int] = ("", "", -1)
    for chunk in chunks:
        earlier, later = chunk.slice(0, len(chunk) - 1), chunk.slice(1)
        after = pc.greater(later["row"], earlier["row"])
        for name in ("file", "input"):
            if pc.all(pc.equal(chunk[name], chunk[name][0])).as_py():
                continue
            same = pc.equal(later[name], earlier[name])
            after = pc.or_(pc.greater(later[name], earlier[name]), pc.and_(same, after))
        if not last < _place(chunk) or not pc.all(after, min_count=0).as_py():
            return False
        last = _place(chunk, -1)
    return True


def positions(table: pa.Table) -> dict[str, npt.NDArray[np.int64]]:
    """The rejected rows of each file."""
    row_N, (file_N, files) = table["row"].to_numpy(), _ranks(table["file"])
    return {file: row_N[file_N == at] for at, file in enumerate(files)}


def _ranks(column: pa.ChunkedArray) -> tuple[Integers, list[str]]:
    """The distinct texts of a column in their order, and the position of each value's (N) among them."""
    coded = column.combine_chunks().dictionary_encode()
    found = coded.dictionary.to_pylist()
    files = sorted(found)
    rank = {file: at for at, file in enumerate(files)}
    code_N = coded.indices.to_numpy(zero_copy_only=False)
    return np.array([rank[file] for file in found], np.int64)[code_N], files


def _joined(columns: Sequence[pa.StringArray]) -> pa.StringArray:
    """One text of a row's parts (2001, 7: 2001-07), null where all of them are missing."""
    if len(columns) == 1:
        return columns[0]
    first, *others = (column.fill_null("") for column in columns)
    padded = [pc.utf8_lpad(column, 2, "0") for column in others]
    joined = pc.binary_join_element_wise(first, *padded, "-")
    missing = functools.reduce(pc.and_, (pc.is_null(column) for column in columns))
    return pc.if_else(missing, pa.scalar(None, pa.string()), joined)


def _json(used: Mapping[str, tuple[pa.Array, pa.StringArray]], count: int) -> pa.StringArray:
    """A JSON object for each row: our names of its values, and these as found."""
    parts: list[Any] = []
    for at, (ours, (found, shown)) in enumerate(used.items()):
        parts.append(("{" if at == 0 else ", ") + json.dumps(ours, ensure_ascii=False) + ": ")
        parts.append(_quoted(found, shown))
    parts = [pa.repeat(part, count) if isinstance(part, str) else part for part in (parts or ["{"])]
    return pc.binary_join_element_wise(*parts, pa.repeat("}", count), "")


def _quoted(found: pa.Array, shown: pa.StringArray) -> pa.StringArray:
    of = found.type.value_type if pa.types.is_dictionary(found.type) else found.type
    if kind_of(of) != "number":
        text = pa.array([json.dumps(text, ensure_ascii=False) for text in shown.to_pylist()], pa.string())
    elif pa.types.is_floating(of):
        text = shown
        if not pc.all(pc.is_finite(found)).as_py():  # JSON has no number for nan and inf
            unusual = pc.match_substring(shown, "n")
            text = pc.if_else(unusual, pc.binary_join_element_wise('"', shown, '"', ""), shown)
    else:
        text = shown
    return text.fill_null("null") if text.null_count else text
