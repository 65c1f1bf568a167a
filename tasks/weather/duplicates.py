"""Which of several rows of one key are kept: of exact copies the first, of conflicting ones none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.contracts.columns import Reason
from data.contracts.season_table import Flags, Integers
from tasks.features.plan import Plan
from tasks.features.season_sums import Sums, merge, sum_rows
from tasks.features.time_table import TimeTable
from tasks.ledger import rejected
from tasks.weather.rows import RowBatch

KEPT, DUPLICATE, CONFLICT = 0, rejected.RANK[Reason.DUPLICATE], rejected.RANK[Reason.CONFLICT]
_Verdicts = npt.NDArray[np.int64]


def judge_copies(key_XK: Integers, value_XV: npt.NDArray[np.float64]) -> _Verdicts:
    """KEPT, DUPLICATE or CONFLICT for each of X rows, which are in the order of path and row.

    `key_XK` are the key's columns, `value_XV` what must agree. A row that equals an earlier one of
    its key is a duplicate; what is left of a key is kept if it is one row, else conflicts.
    """
    count = len(key_XK)
    verdict_X = np.zeros(count, np.int64)
    if not count:
        return verdict_X
    # -0.0 and 0.0 agree
    columns = [*key_XK.T, *(value_XV + 0.0).T]
    order = np.lexsort([np.arange(count), *reversed(columns)])
    same_key, same_all = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    same_key[1:] = (key_XK[order[1:]] == key_XK[order[:-1]]).all(axis=1)
    same_all[1:] = same_key[1:] & (value_XV[order[1:]] == value_XV[order[:-1]]).all(axis=1)
    group = np.cumsum(~same_key) - 1
    distinct = np.bincount(group, ~same_all)[group] if count else np.zeros(0)
    verdict_X[order] = np.where(same_all, DUPLICATE, np.where(distinct > 1, CONFLICT, KEPT))
    return verdict_X


class Cells:
    """A set of region-seasons that rows can be looked up in."""

    def __init__(self, names: Sequence[str], region_C: Integers, year_C: Integers) -> None:
        self.position = {name: at for at, name in enumerate(names)}
        self.year_C = year_C
        self.year0 = int(year_C.min()) if len(year_C) else 0
        self.span = int(year_C.max()) - self.year0 + 1 if len(year_C) else 1
        key_C = region_C * self.span + (year_C - self.year0)
        self.order = np.argsort(key_C)
        self.key_C = key_C[self.order]

    def find(self, names: Sequence[str], region_X: Integers, year_X: Integers) -> Integers:
        """The position of each of X region-seasons in the set, or -1."""
        if not len(self.key_C) or not len(region_X):
            return np.full(len(region_X), -1, np.int64)
        known = np.array([self.position.get(name, -1) for name in names], np.int64)
        region_X = known[region_X]
        year_X = np.asarray(year_X, np.int64) - self.year0
        key_X = np.where(
            (region_X >= 0) & (year_X >= 0) & (year_X < self.span), region_X * self.span + year_X, -1
        )
        at_X = np.minimum(np.searchsorted(self.key_C, key_X), len(self.key_C) - 1)
        return np.where(self.key_C[at_X] == key_X, self.order[at_X], -1)

    def of_rows(self, batch: RowBatch, table: TimeTable) -> tuple[Integers, Integers]:
        """Position of each row's cell in the set (-1: not there, or out of scope), and its slot."""
        table_at = batch.time_N - table.first
        group_N = table.group_T[table_at]
        year_N = table.year0 + group_N // table.plan.segments
        cell_N = self.find(batch.names, batch.code_N.astype(np.int64), year_N.astype(np.int64))
        cell_N[group_N >= table.groups] = -1
        return cell_N, table.slot_T[table_at].astype(np.int64)


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
    cells = Cells(merged.names, doubtful.region_C, doubtful.year_C)
    concerned = [
        n for n, part in enumerate(parts) if (cells.find(part.names, part.region_C, part.year_C) >= 0).any()
    ]
    losers = _losers(cells, doubtful.repeated_CW, concerned, reread, table, plan)
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
    cells: Cells,
    repeated_CW: npt.NDArray[np.uint64],
    concerned: list[int],
    reread: Reread,
    table: TimeTable,
    plan: Plan,
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
                np.stack([some.values[m] for m in plan.measures], axis=1)
                if plan.measures
                else np.zeros((len(some), 0))
            )
            where.append(np.stack([np.full(len(some), n), some.rows()], axis=1))
    verdict_X = judge_copies(np.concatenate(keys), np.concatenate(values))
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
