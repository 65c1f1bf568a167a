"""Sums of weather by region-season, from sound rows, and sums of sums.

Shapes: N rows, I runs of rows, C cells (region-seasons), S segments of the season, K slots, W words
of 64 slots, T times of a calendar table, X anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.contracts.season_table import Flags, Floats, Integers
from data.contracts.vocabulary import OutOfScope
from tasks.features.aggregates import Statistic
from tasks.features.aggregates import merge as merge_gathered
from tasks.features.plan import Plan
from tasks.features.season_runs import cut_runs, rows_of
from tasks.features.time_table import SCOPES, TimeTable, Words, words_for

_YEAR_BITS = 16


@dataclass(frozen=True, eq=False)
class Sums:
    """What is known of each cell; a cell is there once.

    Bit k of `present_CW` says that slot k was observed, of `repeated_CW` that more than one row
    claims it (None: no slot of any cell). `gathered` holds one (C, S) array per Statistic of the plan.
    """

    names: tuple[str, ...]
    region_C: Integers
    year_C: Integers
    present_CW: Words
    repeated_CW: Words | None
    gathered: dict[Statistic, Floats]

    def __len__(self) -> int:
        return len(self.year_C)

    def take(self, cells: Flags | Integers) -> Sums:
        """The sums of some cells."""
        return Sums(
            self.names, self.region_C[cells], self.year_C[cells], self.present_CW[cells],
            None if self.repeated_CW is None else self.repeated_CW[cells],
            {gather: sums[cells] for gather, sums in self.gathered.items()},
        )  # fmt: skip

    def observed(self) -> Integers:
        """Observed slots of each cell (C)."""
        count_C: Integers = np.bitwise_count(self.present_CW).sum(axis=1, dtype=np.int64)
        return count_C

    def repeated(self) -> Flags:
        """The cells (C) in which a slot is claimed twice."""
        if self.repeated_CW is None:
            return np.zeros(len(self), np.bool_)
        return np.asarray(self.repeated_CW.any(axis=1), np.bool_)


def sum_rows(
    names: tuple[str, ...],
    code_N: npt.NDArray[np.int32],
    time_N: npt.NDArray[np.integer],
    values: Mapping[str, Floats],
    table: TimeTable,
) -> tuple[Sums, dict[OutOfScope, int]]:
    """Sum sound rows per cell and count those that are out of scope.

    `code_N` are positions in `names`; `table` must cover `time_N`. Rows sorted by region and time
    are summed as they lie, others are sorted first. Rows of one region and time are summed all, and
    their slot is marked as repeated: the caller has to decide among them.
    """
    runs = cut_runs(code_N, time_N, table)
    if runs.order_N is not None:
        time_N = time_N[runs.order_N]
        values = {measure: value_N[runs.order_N] for measure, value_N in values.items()}
    inside_I = runs.group_I < table.groups
    scope_I, count_I = runs.group_I[~inside_I] - table.groups, (runs.end_I - runs.begin_I)[~inside_I]
    outside = np.bincount(scope_I, count_I, minlength=len(SCOPES))
    year_I, segment_I = np.divmod(runs.group_I[inside_I], table.plan.segments)
    code_I = runs.code_I[inside_I]
    new_I = np.ones(len(code_I), np.bool_)
    new_I[1:] = (code_I[1:] != code_I[:-1]) | (year_I[1:] != year_I[:-1])
    first_C, cell_I = np.flatnonzero(new_I), np.cumsum(new_I) - 1
    gathered = {}
    for gather in table.plan.gathers:
        gathered[gather] = np.full((len(first_C), table.plan.segments), gather.neutral)
        reduced_I = gather.reduce(values[gather.measure], runs.begin_I)
        gathered[gather][cell_I, segment_I] = reduced_I[inside_I]
    begin_I, end_I = runs.begin_I[inside_I], runs.end_I[inside_I]
    observed_IW = _observed(begin_I, end_I, time_N, year_I, table, runs.again_N is not None)
    repeated_CW = None
    if runs.again_N is not None:
        row_X, run_X = rows_of(begin_I, end_I)
        row_X, run_X = row_X[runs.again_N[row_X]], run_X[runs.again_N[row_X]]
        bits_IW = _bits(run_X, table.slot_T[time_N[row_X] - table.first], observed_IW.shape)
        repeated_CW = _either(bits_IW, first_C) if len(row_X) else None
    present_CW = _either(observed_IW, first_C)
    sums = Sums(
        names, code_I[new_I].astype(np.int64), year_I[new_I] + table.year0, present_CW, repeated_CW, gathered
    )
    return sums, {scope: int(n) for scope, n in zip(SCOPES, outside, strict=True) if n}


def merge(blocks: Sequence[Sums], plan: Plan) -> Sums:
    """One table of sums from many, in the order given; its cells are sorted by region name and year.

    Slots that two blocks claim are marked as repeated.
    """
    names = tuple(sorted({name for names in {block.names for block in blocks} for name in names}))
    position = {name: at for at, name in enumerate(names)}
    of_names: dict[tuple[str, ...], Integers] = {}
    keys = []
    for block in blocks:
        if block.names not in of_names:
            of_names[block.names] = np.array([position[name] for name in block.names], np.int64)
        year_C = block.year_C + (1 << _YEAR_BITS - 1)
        keys.append((of_names[block.names][block.region_C] << _YEAR_BITS) | year_C)
    found, cell_X = np.unique(np.concatenate([np.zeros(0, np.int64), *keys]), return_inverse=True)
    cells, words = len(found), words_for(len(plan.calendar))
    present_CW = np.zeros((cells, words), np.uint64)
    repeated_CW: Words | None = None
    gathered = {gather: np.full((cells, plan.segments), gather.neutral) for gather in plan.gathers}
    ends = np.cumsum([len(key) for key in keys])
    for block, end in zip(blocks, ends.tolist(), strict=True):
        cell = cell_X[end - len(block) : end]
        both = present_CW[cell] & block.present_CW
        if block.repeated_CW is not None or both.any():
            repeated_CW = np.zeros((cells, words), np.uint64) if repeated_CW is None else repeated_CW
            repeated_CW[cell] |= both if block.repeated_CW is None else both | block.repeated_CW
        present_CW[cell] |= block.present_CW
        merge_gathered(gathered, block.gathered, cell)
    region_C, year_C = found >> _YEAR_BITS, (found & ((1 << _YEAR_BITS) - 1)) - (1 << _YEAR_BITS - 1)
    return Sums(names, region_C, year_C, present_CW, repeated_CW, gathered)


def _observed(
    begin_I: Integers,
    end_I: Integers,
    time_N: npt.NDArray[np.integer],
    year_I: Integers,
    table: TimeTable,
    repeats: bool,
) -> Words:
    """Bits of the slots that the rows of each run fill, (I, W)."""
    shape = (len(begin_I), table.exists_YW.shape[1])
    if not len(begin_I):
        return np.zeros(shape, np.uint64)
    first_I, last_I = time_N[begin_I] - table.first, time_N[end_I - 1] - table.first
    below_KW = table.below_KW
    bits_IW: Words = below_KW[table.slot_T[last_I] + 1] ^ below_KW[table.slot_T[first_I]]
    bits_IW &= table.exists_YW[year_I]
    # a run without gaps needs no look at its rows
    gaps_I = np.ones(shape[0], np.bool_) if repeats else last_I - first_I + 1 != end_I - begin_I
    if gaps_I.any():
        row_X, run_X = rows_of(begin_I[gaps_I], end_I[gaps_I])
        bits_IW[gaps_I] = _bits(
            run_X, table.slot_T[time_N[row_X] - table.first], (int(gaps_I.sum()), shape[1])
        )
    return bits_IW


def _bits(run_X: Integers, slot_X: npt.NDArray[np.int32], shape: tuple[int, ...]) -> Words:
    """Bits set by (run, slot) pairs that are sorted by run and slot, (I, W)."""
    bits_IW = np.zeros(shape, np.uint64)
    if len(run_X):
        word_X = run_X * shape[1] + (slot_X >> 6)
        start = np.concatenate(([0], np.flatnonzero(word_X[1:] != word_X[:-1]) + 1))
        bit_X = np.left_shift(np.uint64(1), (slot_X & 63).astype(np.uint64))
        bits_IW.reshape(-1)[word_X[start]] = np.bitwise_or.reduceat(bit_X, start)
    return bits_IW


def _either(bits_IW: Words, first_C: Integers) -> Words:
    if not len(first_C):
        return bits_IW[:0]
    found: Words = np.bitwise_or.reduceat(bits_IW, first_C, axis=0)
    return found
