"""Repeated rows of weather: of exact copies the first is kept, of conflicting ones none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.contracts.season_table import Flags, Integers
from data.contracts.vocabulary import Reason
from tasks.features.plan import Plan
from tasks.features.season_sums import Sums, merge, sum_rows
from tasks.features.time_table import TimeTable
from tasks.ledger import rejected
from tasks.ledger.copies import KEPT, _Verdicts, resolve_duplicates
from tasks.weather.rows import RowBatch
from tasks.weather.season_index import SeasonIndex

Reread = Callable[[int], Iterator[RowBatch]]


def resolve(
    merged: Sums, parts: Sequence[Sums], reread: Reread, table: TimeTable, plan: Plan
) -> tuple[Sums, list[pa.Table]]:
    """Decide among the rows that claim one slot and sum their region-seasons anew without the losers.

    `reread(n)` streams the sound rows of part n again; only parts that hold such region-seasons are
    read, and in memory are only the rows of repeated slots. Returns the sums without repeats and the
    rejected rows.
    """
    doubtful_C = merged.repeated()
    doubtful = merged.take(doubtful_C)
    if doubtful.repeated_CW is None or not len(doubtful):
        return merged, []
    cells = SeasonIndex(merged.names, doubtful.region_C, doubtful.year_C)
    concerned = [
        n for n, part in enumerate(parts) if (cells.find(part.names, part.region_C, part.year_C) >= 0).any()
    ]
    losers = _losers(cells, doubtful.repeated_CW, concerned, reread, table)
    blocks: list[Sums] = []
    tables: list[pa.Table] = []
    for n in concerned:
        rows, verdicts = losers[n]
        for batch in reread(n):
            cell_N, _ = cells.of_rows(batch, table)
            mine = batch.take(cell_N >= 0)
            lost_N, reasons = _look_up(mine.rows(), rows, verdicts)
            if lost_N.any():
                tables.append(mine.take(lost_N).reject(reasons))
            kept = mine.take(~lost_N)
            if len(kept):
                blocks.append(sum_rows(kept.names, kept.code_N, kept.time_N, kept.values, table)[0])
    anew = merge(blocks, plan)
    sure = merged.take(~doubtful_C)
    sure = Sums(sure.names, sure.region_C, sure.year_C, sure.present_CW, None, sure.gathered)
    return merge([sure, anew], plan), tables


def _losers(
    cells: SeasonIndex,
    repeated_CW: npt.NDArray[np.uint64],
    concerned: list[int],
    reread: Reread,
    table: TimeTable,
) -> dict[int, tuple[Integers, _Verdicts]]:
    """Positions (sorted) and verdicts of the rows to be rejected, per part."""
    keys, values, where = [], [], []
    for n in concerned:
        for batch in reread(n):
            cell_N, slot_N = cells.of_rows(batch, table)
            bit_N = np.uint64(1) << (slot_N & 63).astype(np.uint64)
            claimed_N = (cell_N >= 0) & ((repeated_CW[cell_N, slot_N >> 6] & bit_N) != 0)
            some = batch.take(claimed_N)
            keys.append(np.stack([cell_N[claimed_N], slot_N[claimed_N]], axis=1))
            values.append(
                np.stack(list(some.values.values()), axis=1) if some.values else np.zeros((len(some), 0))
            )
            where.append(np.stack([np.full(len(some), n), some.rows()], axis=1))
    verdict_X = resolve_duplicates(np.concatenate(keys), np.concatenate(values))
    where_X2 = np.concatenate(where)[verdict_X != KEPT]
    verdict_X = verdict_X[verdict_X != KEPT]
    found = {}
    for n in concerned:
        mine = where_X2[:, 0] == n
        found[n] = where_X2[mine, 1], verdict_X[mine]
    return found


def _look_up(row_N: Integers, losers: Integers, verdicts: _Verdicts) -> tuple[Flags, list[Reason]]:
    at_N = np.searchsorted(losers, row_N)
    lost_N = np.zeros(len(row_N), np.bool_)
    inside_N = at_N < len(losers)
    lost_N[inside_N] = losers[at_N[inside_N]] == row_N[inside_N]
    return lost_N, [rejected.REASONS[verdict] for verdict in verdicts[at_N[lost_N]].tolist()]
