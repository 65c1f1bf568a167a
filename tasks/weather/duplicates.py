"""Repeated rows of weather: of exact copies the first is kept, of conflicting ones none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from data.contracts.season_table import Flags, Floats, Integers
from tasks.features.plan import Plan
from tasks.features.season_sums import Sums, merge, sum_rows
from tasks.features.time_table import TimeTable, Words
from tasks.job.digest import workers
from tasks.ledger import rejected
from tasks.ledger.copies import KEPT, _Verdicts, resolve_duplicates
from tasks.weather.rows import RowBatch
from tasks.weather.season_index import SeasonIndex

# the sound rows of a part once more, and the calendar that covers them
Reread = Callable[[int], tuple[TimeTable, Iterator[RowBatch]]]


def resolve(merged: Sums, parts: Sequence[Sums], reread: Reread, plan: Plan) -> tuple[Sums, list[pa.Table]]:
    """Decide among the rows that claim one slot and sum their region-seasons anew without the losers.

    `reread(n)` streams part n again; only parts that hold such region-seasons are read, side by side,
    and in memory are only the rows of repeated slots. Returns the sums without repeats and the
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
    with ThreadPoolExecutor(workers()) as pool:
        claims = pool.map(partial(_claims, cells, doubtful.repeated_CW, reread), concerned)
        losers = _losers(list(claims))
        again = list(pool.map(partial(_without, cells, reread), concerned, losers))
    anew = merge([sums for part_sums, _ in again for sums in part_sums], plan)
    sure = merged.take(~doubtful_C)
    sure = Sums(sure.names, sure.region_C, sure.year_C, sure.present_CW, None, sure.gathered)
    return merge([sure, anew], plan), [table for _, tables in again for table in tables]


def _claims(cells: SeasonIndex, repeated_CW: Words, reread: Reread, n: int) -> _Claims:
    """The rows of a part that claim a repeated slot."""
    table, batches = reread(n)
    keys, values, rows = [], [], []
    for batch in batches:
        cell_N, slot_N = cells.of_rows(batch, table)
        bit_N = np.uint64(1) << (slot_N & 63).astype(np.uint64)
        claimed_N = (cell_N >= 0) & ((repeated_CW[cell_N, slot_N >> 6] & bit_N) != 0)
        some = batch.take(claimed_N)
        keys.append(cell_N[claimed_N] * (64 * repeated_CW.shape[1]) + slot_N[claimed_N])
        values.append(np.column_stack([np.zeros((len(some), 0)), *some.values.values()]))
        rows.append(some.rows())
    return _Claims(np.concatenate(keys), np.concatenate(values), np.concatenate(rows))


def _losers(claims: Sequence[_Claims]) -> list[tuple[Integers, _Verdicts]]:
    """Positions (sorted) and verdicts of the rows to be rejected, for each part."""
    key_X = np.concatenate([each.key_X for each in claims])
    verdict_X = resolve_duplicates(key_X[:, None], np.concatenate([each.value_XV for each in claims]))
    ends = np.cumsum([len(each.row_X) for each in claims])[:-1]
    lost = []
    for each, verdict in zip(claims, np.split(verdict_X, ends), strict=True):
        lost.append((each.row_X[verdict != KEPT], verdict[verdict != KEPT]))
    return lost


def _without(
    cells: SeasonIndex, reread: Reread, n: int, losers: tuple[Integers, _Verdicts]
) -> tuple[list[Sums], list[pa.Table]]:
    """A part's sums of the doubtful region-seasons without the losers, and these as rejected rows."""
    table, batches = reread(n)
    blocks: list[Sums] = []
    tables: list[pa.Table] = []
    for batch in batches:
        cell_N, _ = cells.of_rows(batch, table)
        mine = batch.take(cell_N >= 0)
        lost_N, verdict_N = _look_up(mine.rows(), *losers)
        if lost_N.any():
            tables.append(mine.take(lost_N).reject(rejected.REASONS, verdict_N))
        kept = mine.take(~lost_N)
        if len(kept):
            blocks.append(sum_rows(kept.names, kept.code_N, kept.time_N, kept.values, table)[0])
    return blocks, tables


@dataclass(frozen=True, eq=False)
class _Claims:
    """X rows that claim a repeated slot: the slot of all region-seasons, values, position in the file."""

    key_X: Integers
    value_XV: Floats
    row_X: Integers


def _look_up(row_N: Integers, losers: Integers, verdicts: _Verdicts) -> tuple[Flags, _Verdicts]:
    """Which of some rows, in their order, are losers, and the verdicts of these; `losers` are sorted."""
    if not len(row_N):
        return np.zeros(0, np.bool_), verdicts[:0]
    begin, end = np.searchsorted(losers, [row_N[0], row_N[-1] + 1])
    return np.isin(row_N, losers[begin:end], kind="table"), verdicts[begin:end]
