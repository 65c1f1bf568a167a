"""Sound yield rows: long or wide files, each row (cell) judged by itself.

Shapes: N rows of a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data.contracts.season_table import Flags, Floats, Integers
from data.contracts.vocabulary import YIELDS, OutOfScope, Reason
from data.errors import InputError
from data.inputs.listing import check_unchanged, place_of
from data.inputs.parquet import Footer, read_batches, require_alike
from data.inputs.parsing import YEARS, Kind, Names, Parsed, integers, numbers
from data.settings.schema import Settings
from tasks.ledger import rejected
from tasks.ledger.faults import finite_range, value_faults
from tasks.yields.layout import NameIndex

SECTION = "yield_columns"
_BATCH_ROWS = 1 << 18
_NAMES: tuple[Kind, ...] = ("text", "number")
_NUMBERS: tuple[Kind, ...] = ("number", "text")
_OUTSIDE = (OutOfScope.BEFORE_FIRST, OutOfScope.AFTER_LAST, OutOfScope.CROP_NOT_SELECTED)


# never a column's name in a file: Parquet can't hold an empty path
_CROP = ""


@dataclass(frozen=True, eq=False)
class YieldCells:
    """Rows of a long file's batch, or the cells of one crop's column of a wide one's."""

    file: int
    record: pa.RecordBatch
    first_row: int
    region_N: Integers
    year_N: Integers
    crop_N: Integers
    value_N: Floats
    unit_N: Integers
    index_N: Integers
    value: tuple[str, str]
    keys: dict[str, tuple[str, ...]]


class YieldReader:
    """Reads and judges yield files one after the other."""

    def __init__(self, settings: Settings, footers: tuple[Footer, ...]) -> None:
        self.settings, self.footers = settings, footers
        self.regions, self.crops, self.units = NameIndex(), NameIndex(), NameIndex()
        self.rows = 0
        self.outside: Counter[OutOfScope] = Counter()
        self.rejected: list[pa.Table] = [rejected.NONE]
        self.region, self.year = self.source("region"), self.source("year")
        self.crop, self.value, self.unit = self.source("crop"), self.source("yield"), self.source("unit")
        self.wide = not (footers[0].has(self.crop) and footers[0].has(self.value))
        self._require()

    def source(self, name: str) -> str:
        return self.settings.yield_columns.get(name, name)

    def _require(self) -> None:
        wanted: dict[str, tuple[str, tuple[Kind, ...]]] = {
            "region": (self.region, _NAMES),
            "year": (self.year, _NUMBERS),
        }
        first = self.footers[0]
        if not self.wide:
            wanted |= {"crop": (self.crop, _NAMES), "yield": (self.value, _NUMBERS)}
            if first.has(self.unit):
                wanted["unit"] = (self.unit, _NAMES)
        elif self.settings.crops:
            wanted |= {crop: (self.source(crop), _NUMBERS) for crop in self.settings.crops}
        else:
            here = [
                name for name in first.columns
                if name not in (self.region, self.year) and first.kind(name) == "number"
            ]  # fmt: skip
            line = ", ".join(f'"{name}"' for name in here)
            raise InputError(
                f"{place_of(self.settings.yields, first.file.name)}: no columns {self.crop!r} and "
                f"{self.value!r}, so each crop must be a column, and the settings don't name any; "
                + (f"add the crops among these: crops = [{line}]" if here else "no column holds numbers")
            )
        require_alike(self.settings.yields, self.footers, wanted, SECTION)

    def cells(self) -> Iterator[YieldCells]:
        """Sound cells in scope, file by file; the others are accounted for in passing."""
        for at, footer in enumerate(self.footers):
            file = footer.file
            check_unchanged(self.settings.yields, file.name, file.size, file.mtime_ns)
            texts: Counter[str] = Counter()
            unparsed: Counter[str] = Counter()
            for cells, parsed in self._of_file(at, footer):
                texts[cells.value[1]] += parsed.texts
                unparsed[cells.value[1]] += parsed.unparsed
                yield cells
            check_unchanged(self.settings.yields, file.name, file.size, file.mtime_ns)
            for column, seen in texts.items():
                if seen and seen == unparsed[column]:
                    raise InputError(
                        f"{place_of(self.settings.yields, file.name)}: column {column!r} is text, and none "
                        f"of its {seen} values is a number; map another column or convert it "
                        f"(settings: [{SECTION}])"
                    )

    def _of_file(self, at: int, footer: Footer) -> Iterator[tuple[YieldCells, Parsed]]:
        if self.wide:
            values = [(crop, self.source(crop)) for crop in self.settings.crops]
            others: list[str] = []
        else:
            values = [("yield", self.value)]
            others = [self.crop, *([self.unit] if footer.has(self.unit) else [])]
        columns = list(dict.fromkeys([self.region, self.year, *others, *(source for _, source in values)]))
        names = {column: Names() for column in columns}
        row = 0
        groups = range(footer.metadata.num_row_groups)
        for record in read_batches(
            self.settings.yields, footer.file.name, columns, groups, footer.folders, _BATCH_ROWS
        ):
            count = record.num_rows
            if not count:
                continue
            region_N = self.regions.number(*names[self.region].read(record[self.region]))
            year = integers(record[self.year])
            lost_N = np.zeros(count, np.bool_) if year.fault_N is None else year.fault_N != 0
            lost_N |= (year.value_N < YEARS[0]) | (year.value_N > YEARS[1])
            unit_N = np.full(count, -1, np.int64)
            if self.unit in others:
                unit_N = self.units.number(*names[self.unit].read(record[self.unit]))
            for name, source in values:
                self.rows += count
                keys: dict[str, tuple[str, ...]] = {"region": (self.region,), "date": (self.year,)}
                if self.wide:
                    crop_N = self.crops.number((name,), np.zeros(count, np.int32))
                    record_of = record.append_column(_CROP, pa.array([name] * count))
                    keys["crop"] = (_CROP,)
                else:
                    crop_N = self.crops.number(*names[self.crop].read(record[self.crop]))
                    record_of = record
                    keys["crop"] = (self.crop,)
                parsed = numbers(record[source])
                cells = YieldCells(
                    at, record_of, row, region_N, year.value_N, crop_N, parsed.value_N, unit_N,
                    np.arange(count), (name, source), keys,
                )  # fmt: skip
                yield self._judge(cells, lost_N, parsed), parsed
            row += count

    def _judge(self, cells: YieldCells, lost_N: Flags, parsed: Parsed) -> YieldCells:
        settings = self.settings
        before_N, after_N, other_N = (np.zeros(len(lost_N), np.bool_) for _ in range(3))
        if settings.first_season is not None:
            before_N = ~lost_N & (cells.year_N < settings.first_season)
        if settings.last_season is not None:
            after_N = ~lost_N & (cells.year_N > settings.last_season)
        if settings.crops:
            chosen = [self.crops.at.get(crop, -2) for crop in settings.crops]
            other_N = (cells.crop_N >= 0) & ~np.isin(cells.crop_N, chosen) & ~before_N & ~after_N
        for scope, flag_N in zip(_OUTSIDE, (before_N, after_N, other_N), strict=True):
            self.outside[scope] += int(flag_N.sum())
        inside_N = ~(before_N | after_N | other_N)
        faults: list[tuple[Reason, str, Flags]] = [
            (Reason.MISSING_KEY, self.region, cells.region_N < 0),
            (Reason.MISSING_KEY, self.year, lost_N),
        ]
        if not self.wide:
            faults.append((Reason.MISSING_KEY, self.crop, cells.crop_N < 0))
        faults += value_faults(cells.value[1], parsed, self._bounds(cells.crop_N))
        fault_N = rejected.first_fault(faults, len(lost_N))
        bad = np.flatnonzero(inside_N & (fault_N >= 0))
        if len(bad):
            self.reject(cells, bad, [faults[at][:2] for at in fault_N[bad].tolist()])
        return take(cells, np.flatnonzero(inside_N & (fault_N < 0)))

    def _bounds(self, crop_N: Integers) -> tuple[Floats, Floats]:
        known = [self._range(crop) for crop in (*self.crops.names(), "yield")]  # -1 takes the last
        low_N, high_N = np.array(known)[crop_N].T
        return low_N, high_N

    def _range(self, name: str) -> tuple[float, float]:
        for known in (self.settings.measures.get(name), self.settings.measures.get("yield")):
            if known and known.range:
                return finite_range(*known.range)
        return finite_range(0.0, np.inf)

    def reject(self, cells: YieldCells, index: Integers, faults: list[tuple[Reason, str | None]]) -> None:
        """Note rows (positions in the record) as rejected."""
        self.rejected.append(
            rejected.reject(
                YIELDS, self.footers[cells.file].file.name, (index + cells.first_row).tolist(),
                cells.record.take(pa.array(index)), faults, cells.keys, dict([cells.value]),
            )
        )  # fmt: skip


def take(cells: YieldCells, rows: Integers) -> YieldCells:
    return YieldCells(
        cells.file, cells.record, cells.first_row, cells.region_N[rows], cells.year_N[rows],
        cells.crop_N[rows], cells.value_N[rows], cells.unit_N[rows], cells.index_N[rows],
        cells.value, cells.keys,
    )  # fmt: skip
