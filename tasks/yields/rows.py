"""Which yields are sound: reads a file and judges each of its cells by itself.

The cells of a long file are its rows; those of a wide one its rows, for each crop in turn.
Shapes: N rows of a file.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts.season_table import Floats
from data.contracts.vocabulary import YIELDS, OutOfScope, Reason
from data.errors import InputError
from data.inputs.listing import check_unchanged, place_of
from data.inputs.parquet import Footer, read_batches
from data.inputs.parsing import SOUND, YEARS, Names, integers, kind_of, numbers
from data.settings.schema import Settings
from data.settings.seasons import named_crops
from tasks.ledger import rejected
from tasks.ledger.faults import finite_range, value_faults
from tasks.yields.layout import SECTION, Layout

_BATCH_ROWS = 1 << 18
# never a column's name in a file: Parquet can't hold an empty path
_CROP = ""


@dataclass(frozen=True, eq=False)
class YieldFile:
    """The rows of one file as found, its sound cells in scope, and what became of the others.

    `cells` has the columns row, region, year, crop, unit, area, yield and source (our name of the yield's
    column); `rows` counts all cells, `outside` those out of scope.
    """

    name: str
    layout: Layout
    found: pa.Table
    cells: pd.DataFrame
    rows: int
    outside: Counter[str]
    rejected: pa.Table

    def reject(self, cells: pd.DataFrame, faults: rejected.Faults) -> pa.Table:
        """Cells of one column as rejected rows."""
        layout, name = self.layout, str(cells["source"].iloc[0])
        found, crop = self.found.take(cells["row"].to_numpy()), layout.crop
        if layout.wide:
            found, crop = found.append_column(_CROP, pa.array([name] * len(cells))), _CROP
        keys = {"region": (layout.region,), "date": (layout.year,), "crop": (crop,)}
        used = {name: layout.values[name]}
        return rejected.reject(YIELDS, self.name, cells["row"].to_numpy(), found, faults, keys, used)


def read_file(settings: Settings, layout: Layout, footer: Footer) -> YieldFile:
    """Read and judge one file.

    Raises InputError for a file that can't be read or changes meanwhile, and for text without numbers.
    """
    file, uri = footer.file, settings.yields
    beside = [name for name in (layout.unit, layout.area) if footer.has(name)]
    others = [] if layout.wide else [layout.crop, *beside]
    columns = list(dict.fromkeys([layout.region, layout.year, *others, *layout.values.values()]))
    groups = range(footer.metadata.num_row_groups)
    check_unchanged(uri, file.name, file.size, file.mtime_ns)
    batches = list(read_batches(uri, file.name, columns, groups, footer.folders, _BATCH_ROWS))
    found = pa.Table.from_batches(batches).combine_chunks()
    check_unchanged(uri, file.name, file.size, file.mtime_ns)

    def names(column: str) -> pd.Categorical[str]:
        distinct, code_N = Names().read(found[column].combine_chunks())
        return pd.Categorical.from_codes(code_N, pd.Index(distinct))

    count = len(found)
    year = integers(found[layout.year].combine_chunks())
    lost_N = np.zeros(count, np.bool_) if year.fault_N is None else year.fault_N != 0
    rows = pd.DataFrame({"row": np.arange(count), "region": names(layout.region), "year": year.value_N})
    rows["year_lost"] = lost_N | (year.value_N < YEARS[0]) | (year.value_N > YEARS[1])
    rows["unit"] = names(layout.unit) if layout.unit in others else pd.Categorical([None] * count)
    known = layout.area in others
    rows["area"] = _areas(found[layout.area].combine_chunks()) if known else np.nan
    judged = YieldFile(file.name, layout, found, rows, count * len(layout.values), Counter(), rejected.NONE)
    cells, rejects = [], [rejected.NONE]
    for name in layout.values:
        crops = pd.Categorical([name], list(layout.values)).repeat(count)
        rows["crop"] = crops if layout.wide else names(layout.crop)
        sound, bad = _judge(settings, judged, rows.assign(source=name), layout.values[name])
        cells.append(sound)
        rejects.append(bad)
    return YieldFile(
        file.name, layout, found, pd.concat(cells), judged.rows, judged.outside, pa.concat_tables(rejects)
    )


def _areas(column: pa.Array) -> Floats:
    """Harvested areas [N]; NaN where there is none. A yield is no worse for an area that can't be read."""
    if kind_of(column.type) not in ("number", "text"):
        return np.full(len(column), np.nan)
    parsed = numbers(column)
    sound_N = np.isfinite(parsed.value_N) & (parsed.value_N >= 0)
    if parsed.fault_N is not None:
        sound_N &= parsed.fault_N == SOUND
    return np.where(sound_N, parsed.value_N, np.nan)


def _judge(
    settings: Settings, file: YieldFile, cells: pd.DataFrame, source: str
) -> tuple[pd.DataFrame, pa.Table]:
    """The sound cells in scope of one column, and the rejected ones; those out of scope are counted."""
    layout, year, crop = file.layout, cells["year"], cells["crop"]
    parsed = numbers(file.found[source].combine_chunks())
    if parsed.texts and parsed.texts == parsed.unparsed:
        raise InputError(
            f"{place_of(settings.yields, file.name)}: column {source!r} is text, and none "
            f"of its {parsed.texts} values is a number; map another column or convert it "
            f"(settings: [{SECTION}])"
        )
    cells["yield"] = parsed.value_N
    dated = ~cells["year_lost"]
    first, last = settings.first_season, settings.last_season
    selected = named_crops(settings) if settings.crops else ()  # none named: all that are met
    inside = pd.Series(True, cells.index)
    for scope, beyond in (
        (OutOfScope.BEFORE_FIRST, dated & (year < first) if first is not None else ~inside),
        (OutOfScope.AFTER_LAST, dated & (year > last) if last is not None else ~inside),
        (OutOfScope.CROP_NOT_SELECTED, crop.notna() & ~crop.isin(selected or crop.cat.categories)),
    ):
        file.outside[str(scope)] += int((beyond & inside).sum())
        inside &= ~beyond
    faults = [
        (Reason.MISSING_KEY, layout.region, cells["region"].isna().to_numpy()),
        (Reason.MISSING_KEY, layout.year, cells["year_lost"].to_numpy()),
        (Reason.MISSING_KEY, layout.crop, crop.isna().to_numpy()),  # never so in a wide file
    ]
    # the last: no crop
    ranges = [finite_range(*settings.yield_range(name)) for name in (*crop.cat.categories, "yield")]
    low_N, high_N = np.array(ranges)[crop.cat.codes].T
    faults += value_faults(source, parsed, (low_N, high_N))
    fault_N = rejected.first_fault(faults, len(cells))
    bad = np.flatnonzero(inside & (fault_N >= 0))
    rejects = rejected.NONE
    if len(bad):
        rejects = file.reject(cells.iloc[bad], rejected.Faults([fault[:2] for fault in faults], fault_N[bad]))
    return cells[inside & (fault_N < 0)].drop(columns="year_lost"), rejects
