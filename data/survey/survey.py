"""A survey of Parquet files: columns, kinds, footers, and a sample of rows spread over all of them.

Shapes: N sampled rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data.inputs.parquet import Footer, read_batches, read_footers
from data.inputs.parsing import Kind, Names, Parsed, days, integers, numbers
from data.locations.uris import redact_uri

Floats = npt.NDArray[np.float64]
# a sample has so many values at most, and the column of regions so many rows
_VALUES = 6_000_000
_REGION_ROWS = 100_000_000
_BATCH_ROWS = 1 << 16
_LEAST = 10_000  # rows of a sample, however many columns


@dataclass(frozen=True, eq=False)
class Survey:
    """One input. `whole`: the sample is all there is. `kinds` has the columns that every file knows."""

    uri: str
    footers: tuple[Footer, ...]
    kinds: dict[str, Kind]
    unread: dict[str, str]
    rows: int
    batches: tuple[pa.RecordBatch, ...]
    whole: bool

    @property
    def place(self) -> str:
        """The location, as messages show it."""
        return redact_uri(self.uri)

    @property
    def listing(self) -> str:
        """All columns with their kinds, for messages."""
        found = [f"{name} ({kind})" for name, kind in self.kinds.items()]
        return ", ".join(found[:20]) + (f" and {len(found) - 20} more" if len(found) > 20 else "")

    def numbers(self, column: str) -> Floats:
        """Values (N); NaN where there is none or it can't be read."""
        return self._parsed(column, numbers)

    def integers(self, column: str) -> Floats:
        """Whole numbers (N) as floats; NaN where there is none."""
        return self._parsed(column, integers)

    def days(self, column: str) -> Floats:
        """Days since 1970-01-01 (N) as floats; NaN where there is none."""
        return self._parsed(column, days)

    def names(self, column: str) -> pd.Series[Any]:
        """Regions, crops and units (N) as the ingest reads them; missing ones are NaN."""
        read = Names()
        parts = []
        for batch in self.batches:
            found, code_N = read.read(batch[column])
            parts.append(np.array([*found, None], dtype=object)[code_N])
        return pd.Series(np.concatenate(parts) if parts else np.array([], object), dtype=object)

    def slices(self) -> list[int]:
        """Rows of each stretch of neighbouring rows in the sample."""
        return [batch.num_rows for batch in self.batches]

    def bounds(self, column: str) -> tuple[float, float] | None:
        """Smallest and largest value over all rows, as the footers tell; None where they don't."""
        low, high = np.inf, -np.inf
        for footer in self.footers:
            for group in range(footer.metadata.num_row_groups):
                known = _statistics(footer, group, column)
                if known is None:
                    return None
                low, high = min(low, known[0]), max(high, known[1])
        return (low, high) if low <= high else None

    def all_names(self, column: str) -> set[str]:
        """Every distinct name of a column, from all row groups (evenly chosen ones beyond 100 million)."""
        if self.whole:
            return set(self.names(column).dropna())
        found: set[str] = set()
        for footer, groups in _spread(self.footers, _REGION_ROWS):
            read = Names()
            for batch in _read(self.uri, footer, [column], groups, 1 << 20):
                names, code_N = read.read(batch[column])
                found.update(names[at] for at in np.unique(code_N).tolist() if at >= 0)
        return found

    def _parsed(self, column: str, parse: Any) -> Floats:
        parts = []
        for batch in self.batches:
            parsed: Parsed = parse(batch[column])
            value_N = parsed.value_N.astype(np.float64)
            if parsed.fault_N is not None:
                value_N[parsed.fault_N != 0] = np.nan
            value_N[~np.isfinite(value_N)] = np.nan
            parts.append(value_N)
        return np.concatenate(parts) if parts else np.zeros(0)


def survey(uri: str) -> Survey:
    """Look at an input without reading all of it. Raises InputError and StorageError as the ingest would."""
    footers = read_footers(uri)
    first = footers[0]
    kinds: dict[str, Kind] = {}
    unread: dict[str, str] = {}
    for name in [*first.columns, *first.folders]:
        kind = first.kind(name)
        if not all(footer.has(name) for footer in footers):
            unread[name] = "not in every file"
        elif kind is None:
            unread[name] = f"of type {first.columns[name]}, which can't be read"
        else:
            known = [footer.kind(name) for footer in footers]
            kinds[name] = next((of for of in known if of is not None and of != "null"), "null")
    rows = sum(footer.metadata.num_rows for footer in footers)
    wanted = max(_VALUES // max(len(kinds), 1), _LEAST)
    batches = tuple(_sample(uri, footers, list(kinds), wanted))
    return Survey(uri, footers, kinds, unread, rows, batches, sum(map(len, batches)) == rows)


def _sample(
    uri: str, footers: tuple[Footer, ...], columns: list[str], wanted: int
) -> Iterator[pa.RecordBatch]:
    for footer, groups in _spread(footers, wanted):
        rows = sum(footer.metadata.row_group(group).num_rows for group in groups)
        share = wanted * _portion(footers, footer) / max(rows, 1)
        every = max(1, round(1 / share)) if share < 1 else 1
        for at, batch in enumerate(_read(uri, footer, columns, groups, _BATCH_ROWS)):
            if batch.num_rows and at % every == 0:
                yield batch


def _portion(footers: tuple[Footer, ...], footer: Footer) -> float:
    """A file's share of the sample: of its rows, but no less than an equal one's hundredth."""
    total = sum(each.metadata.num_rows for each in footers)
    return max(float(footer.metadata.num_rows) / float(total), 0.01 / len(footers))


def _spread(footers: tuple[Footer, ...], wanted: int) -> Iterator[tuple[Footer, list[int]]]:
    """Row groups, all if they hold no more rows than wanted, else evenly chosen ones of every file.

    Of very many files evenly chosen ones, so that the look stays short.
    """
    total = sum(footer.metadata.num_rows for footer in footers)
    chosen = footers
    if total > wanted and len(footers) > 400:
        chosen = tuple(footers[at] for at in np.unique(np.linspace(0, len(footers) - 1, 400).astype(int)))
    for footer in chosen:
        groups = footer.metadata.num_row_groups
        if total <= wanted:
            yield footer, list(range(groups))
        else:
            share = wanted * _portion(footers, footer) / footer.metadata.num_rows
            count = min(groups, max(1, 8 if groups > 8 else groups, round(groups * min(share, 1.0))))
            yield footer, sorted({int(at) for at in np.linspace(0, groups - 1, count)})


def _read(
    uri: str, footer: Footer, columns: list[str], groups: list[int], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    if not any(column in footer.columns for column in columns):  # folders spell it out
        value = {column: pa.array([footer.folders[column]], pa.string()) for column in columns}
        yield pa.RecordBatch.from_pydict(value)
        return
    yield from read_batches(uri, footer.file.name, columns, groups, footer.folders, batch_rows)


def _statistics(footer: Footer, group: int, column: str) -> tuple[float, float] | None:
    known, of = footer.groups[group].get(column), footer.columns.get(column)
    plain = pa.types.is_signed_integer(of) or pa.types.is_floating(of)
    if known is None or known.low is None or known.high is None or not plain:
        return None
    return float(known.low), float(known.high)
