"""Sound weather rows: a part read batch by batch, each row judged by itself.

Shapes: N rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.contracts.season_table import Flags, Floats, Integers
from data.contracts.vocabulary import WEATHER, OutOfScope, Reason
from data.inputs.listing import check_unchanged
from data.inputs.parquet import read_batches
from data.inputs.parsing import YEARS, Names, Parsed, days, integers, numbers
from data.settings.schema import Settings
from tasks.features.time_table import SCOPES, TimeTable
from tasks.ledger import rejected
from tasks.ledger.faults import _LARGEST, finite_range, value_faults
from tasks.weather.parts import Layout, Part

# large enough for threads to compute rather than wait for the interpreter, some 30 MB each
BATCH_ROWS = 1 << 19
_FIRST_DAY = int(np.datetime64(f"{YEARS[0]:05d}-01-01", "D").astype(np.int64))
_LAST_DAY = int(np.datetime64(f"{YEARS[1]}-12-31", "D").astype(np.int64))


@dataclass(frozen=True, eq=False)
class RowBatch:
    """Rows without a fault of their own, in scope or not, and what happened to the others of the batch.

    `index_N` are positions in `record` (None: all of them); `outside` and `rejected` are, for each
    season, the others out of its scope and in it; `texts` counts the values of text columns and those
    that couldn't be parsed.
    """

    part: Part
    record: pa.RecordBatch
    first_row: int
    names: tuple[str, ...]
    code_N: npt.NDArray[np.int32]
    time_N: npt.NDArray[np.int64]
    values: dict[str, Floats]
    index_N: Integers | None = None
    outside: dict[str, dict[OutOfScope, int]] = field(default_factory=dict)
    rejected: dict[str, pa.Table] = field(default_factory=dict)
    texts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.code_N)

    def rows(self) -> Integers:
        """Positions in the file (N)."""
        index_N = np.arange(len(self), dtype=np.int64) if self.index_N is None else self.index_N
        return index_N + self.first_row

    def take(self, rows: Flags | Integers) -> RowBatch:
        """Some of the rows, without the account of the others."""
        index_N = np.arange(len(self), dtype=np.int64) if self.index_N is None else self.index_N
        return RowBatch(
            self.part, self.record, self.first_row, self.names, self.code_N[rows], self.time_N[rows],
            {measure: value_N[rows] for measure, value_N in self.values.items()}, index_N[rows],
        )  # fmt: skip

    def reject(self, reasons: list[Reason]) -> pa.Table:
        """All of the rows as rejected ones, no column being at fault."""
        rows = self.rows()
        faults: list[tuple[Reason, str | None]] = [(reason, None) for reason in reasons]
        return _reject(self.part, self.record, self.first_row, rows - self.first_row, faults)


def read_rows(settings: Settings, part: Part, tables: Mapping[str, TimeTable]) -> Iterator[RowBatch]:
    """Stream the rows of a part, judged one by one, once for all seasons, whose calendars are widened.

    Raises InputError, also when the file changed.
    """
    check_unchanged(settings.weather, part.file, part.size, part.mtime_ns)
    layout, names, row = part.layout, Names(), part.first_row
    columns = list(layout.times)
    if not part.keys_only:
        columns = list(dict.fromkeys([layout.region, *columns, *(source for _, source in layout.measures)]))
    for record in read_batches(
        settings.weather, part.file, columns, part.row_groups, dict(part.folders), BATCH_ROWS
    ):
        if record.num_rows:
            yield (
                _out_of_scope(record, part, row, tables)
                if part.keys_only
                else _judge(record, part, row, tables, names, settings)
            )
        row += record.num_rows
    check_unchanged(settings.weather, part.file, part.size, part.mtime_ns)


def _judge(
    record: pa.RecordBatch,
    part: Part,
    first_row: int,
    tables: Mapping[str, TimeTable],
    names: Names,
    settings: Settings,
) -> RowBatch:
    layout = part.layout
    found, code_N = names.read(record[layout.region])
    time_N, unreadable = _times(record, layout)
    parsed = {name: numbers(record[source]) for name, source in layout.measures}
    ranges = {name: _range(settings, name) for name, _ in layout.measures}
    _cover(tables, time_N, unreadable)
    values = {name: value.value_N for name, value in parsed.items()}
    source = dict(layout.measures)
    texts = {source[name]: (value.texts, value.unparsed) for name, value in parsed.items() if value.texts}
    batch = RowBatch(part, record, first_row, found, code_N, time_N, values, texts=texts)
    named = int(code_N.min()) >= 0
    if named and not unreadable and all(_sound(parsed[name], ranges[name]) for name in parsed):
        return batch
    return _without_faults(batch, unreadable, parsed, ranges, tables)


def _without_faults(
    batch: RowBatch,
    unreadable: dict[str, Flags],
    parsed: dict[str, Parsed],
    ranges: dict[str, tuple[float, float]],
    tables: Mapping[str, TimeTable],
) -> RowBatch:
    layout = batch.part.layout
    lost_N = _lost(batch.time_N, unreadable)
    faults: list[tuple[Reason, str, Flags]] = [(Reason.MISSING_KEY, layout.region, batch.code_N < 0)]
    faults += [(Reason.MISSING_KEY, source, bad_N) for source, bad_N in unreadable.items()]
    for name, source in layout.measures:
        faults += value_faults(source, parsed[name], ranges[name])
    fault_N = rejected.first_fault(faults, len(batch))
    bad = np.flatnonzero(fault_N >= 0)
    sound = batch.take(fault_N < 0)
    scopes = {name: np.full(len(bad), -1) for name in tables}
    dated = ~lost_N[bad]
    for name, table in tables.items():
        if dated.any():
            scopes[name][dated] = table.scope_of(batch.time_N[bad[dated]])
    inside = np.logical_or.reduce([scope < 0 for scope in scopes.values()])
    reasons: list[tuple[Reason, str | None]] = [faults[at][:2] for at in fault_N[bad[inside]].tolist()]
    rejects = _reject(batch.part, batch.record, batch.first_row, bad[inside], reasons)
    of_season = {name: scope[inside] < 0 for name, scope in scopes.items()}
    return replace(
        sound,
        outside={name: _counted(scope[scope >= 0]) for name, scope in scopes.items()},
        rejected={
            name: rejects if mine.all() else rejects.filter(pa.array(mine))
            for name, mine in of_season.items()
        },
        texts=batch.texts,
    )


def _out_of_scope(
    record: pa.RecordBatch, part: Part, first_row: int, tables: Mapping[str, TimeTable]
) -> RowBatch:
    time_N, unreadable = _times(record, part.layout)
    _cover(tables, time_N, unreadable)
    none = np.zeros(0, np.int64)
    outside = {name: _counted(table.scope_of(time_N)) for name, table in tables.items()}
    return RowBatch(part, record, first_row, (), none.astype(np.int32), none, {}, outside=outside)


def _counted(scope_N: Integers) -> dict[OutOfScope, int]:
    counts = np.bincount(scope_N, minlength=len(SCOPES)).tolist()
    return {scope: n for scope, n in zip(SCOPES, counts, strict=True) if n}


def _times(record: pa.RecordBatch, layout: Layout) -> tuple[npt.NDArray[np.int64], dict[str, Flags]]:
    """Times (N), and per source column the rows whose time can't be read on its account."""
    if layout.resolution == "daily":
        (date,) = layout.times
        parsed = days(record[date])
        return parsed.value_N, _unreadable(date, parsed, _FIRST_DAY, _LAST_DAY)
    years = integers(record[layout.times[0]])
    unreadable = _unreadable(layout.times[0], years, *YEARS)
    if layout.resolution == "season":
        return years.value_N, unreadable
    months = integers(record[layout.times[1]])
    unreadable |= _unreadable(layout.times[1], months, 1, 12)
    return years.value_N * 12 + months.value_N - 1, unreadable


def _unreadable(source: str, parsed: Parsed, low: int, high: int) -> dict[str, Flags]:
    bad_N = np.zeros(len(parsed.value_N), np.bool_) if parsed.fault_N is None else parsed.fault_N != 0
    if int(parsed.value_N.min()) < low or int(parsed.value_N.max()) > high:
        bad_N |= (parsed.value_N < low) | (parsed.value_N > high)
    return {source: bad_N} if bad_N.any() else {}


def _lost(time_N: npt.NDArray[np.int64], unreadable: dict[str, Flags]) -> Flags:
    lost_N = np.zeros(len(time_N), np.bool_)
    for bad_N in unreadable.values():
        lost_N |= bad_N
    return lost_N


def _cover(
    tables: Mapping[str, TimeTable], time_N: npt.NDArray[np.int64], unreadable: dict[str, Flags]
) -> None:
    if unreadable:
        time_N = time_N[~_lost(time_N, unreadable)]
    if len(time_N):
        first, last = int(time_N.min()), int(time_N.max())
        for table in tables.values():
            table.cover(first, last)


def _range(settings: Settings, measure: str) -> tuple[float, float]:
    known = settings.measures.get(measure)
    return finite_range(*((known.range if known else None) or (-_LARGEST, _LARGEST)))


def _sound(parsed: Parsed, bounds: tuple[float, float]) -> bool:
    # a NaN makes either comparison false
    return (
        parsed.fault_N is None
        and bool(parsed.value_N.min() >= bounds[0])
        and bool(parsed.value_N.max() <= bounds[1])
    )


def _reject(
    part: Part,
    record: pa.RecordBatch,
    first_row: int,
    index: Integers,
    faults: list[tuple[Reason, str | None]],
) -> pa.Table:
    if not len(index):
        return rejected.NONE
    layout = part.layout
    keys = {"region": (layout.region,), "date": layout.times}
    found = record.take(pa.array(index))
    return rejected.reject(
        WEATHER, part.file, (index + first_row).tolist(), found, faults, keys, dict(layout.measures)
    )
