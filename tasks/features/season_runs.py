"""Runs of rows: consecutive rows of one region and one stretch of a season, sorted first if need be.

Shapes: N rows, R stretches of rows of one region, B breaks of the calendar, I runs, X anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from data.contracts.season_table import Flags, Integers
from tasks.features.time_table import SCOPES, TimeTable

_Codes = npt.NDArray[np.int32]
_Times = npt.NDArray[np.integer]
_RADIX = (1 << 16) - 1


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs follow one another without gaps; `code_I` is their region, `group_I` as in TimeTable.

    `order_N` sorts the rows (None: they are sorted); `again_N` marks sorted rows that have the
    region and time of the row before (None: there are none).
    """

    begin_I: Integers
    end_I: Integers
    code_I: Integers
    group_I: Integers
    order_N: Integers | None = None
    again_N: Flags | None = None


def cut_runs(code_N: _Codes, time_N: _Times, table: TimeTable) -> Runs:
    """Cut rows (at least one) by region, harvest year and segment of the season."""
    runs = _cut_gapless(code_N, time_N, table)
    if runs is not None:
        return runs
    key_N = _keys(code_N, time_N, table)
    order_N = None
    if not (key_N[1:] > key_N[:-1]).all():
        order_N = _sort(code_N, time_N, key_N, table)
        code_N, time_N = code_N[order_N], time_N[order_N]
        runs = _cut_gapless(code_N, time_N, table)
        if runs is not None:
            return replace(runs, order_N=order_N)
        key_N = _keys(code_N, time_N, table)
    again_N = np.concatenate(([False], key_N[1:] == key_N[:-1]))
    groups = table.groups + len(SCOPES)
    key_N = code_N * np.int64(groups) + table.group_T.take(time_N - table.first)
    begin_I = np.concatenate(([0], np.flatnonzero(key_N[1:] != key_N[:-1]) + 1))
    end_I = np.append(begin_I[1:], len(key_N))
    code_I, group_I = np.divmod(key_N[begin_I], groups)
    return Runs(begin_I, end_I, code_I, group_I, order_N, again_N if again_N.any() else None)


def _keys(code_N: _Codes, time_N: _Times, table: TimeTable) -> Integers:
    key_N: Integers = code_N * np.int64(len(table.group_T)) + (time_N - table.first)
    return key_N


def _sort(code_N: _Codes, time_N: _Times, key_N: Integers, table: TimeTable) -> Integers:
    """The stable order of rows by region and time."""
    if int(code_N.max()) > _RADIX or len(table.group_T) > _RADIX:
        return np.argsort(key_N, kind="stable")
    # NumPy sorts 16 bits by radix, several times as fast as 64; by region last, each sort being stable
    if (time_N[1:] >= time_N[:-1]).all():
        return np.argsort(code_N.astype(np.uint16), kind="stable")
    by_time_N = np.argsort((time_N - table.first).astype(np.uint16), kind="stable")
    return by_time_N[np.argsort(code_N[by_time_N].astype(np.uint16), kind="stable")]


def _cut_gapless(code_N: _Codes, time_N: _Times, table: TimeTable) -> Runs | None:
    """Runs of rows that are sorted and leave out no time within a region; None where they do.

    Such rows, the common case, are cut where the calendar says, without a look at each of them.
    """
    begin_R = np.concatenate(([0], np.flatnonzero(code_N[1:] != code_N[:-1]) + 1))
    if len(begin_R) * 8 > len(code_N):
        return None
    end_R = np.append(begin_R[1:], len(code_N))
    code_R = code_N[begin_R].astype(np.int64)
    step_N = time_N[1:] - time_N[:-1]
    step_N[begin_R[1:] - 1] = 1
    if not ((code_R[1:] > code_R[:-1]).all() and step_N.min(initial=1) == step_N.max(initial=1) == 1):
        return None
    first_R = time_N[begin_R].astype(np.int64) - table.first
    from_R = np.searchsorted(table.breaks, first_R, side="right")
    to_R = np.searchsorted(table.breaks, first_R + (end_R - begin_R), side="left")
    # each stretch is one run and one more for each break inside it
    count_R = 1 + to_R - from_R
    begin_of_R = np.cumsum(count_R) - count_R
    stretch_I = np.repeat(np.arange(len(begin_R)), count_R)
    nth_I = np.arange(len(stretch_I)) - begin_of_R[stretch_I]
    at_I = first_R[stretch_I]
    later_I = nth_I > 0
    at_I[later_I] = table.breaks[from_R[stretch_I[later_I]] + nth_I[later_I] - 1]
    begin_I = begin_R[stretch_I] + at_I - first_R[stretch_I]
    end_I = np.append(begin_I[1:], len(code_N))
    return Runs(begin_I, end_I, code_R[stretch_I], table.group_T[at_I].astype(np.int64))


def rows_of(begin_I: Integers, end_I: Integers) -> tuple[Integers, Integers]:
    """Every row (X) of some runs, and the run that it is in (X)."""
    count_I = end_I - begin_I
    run_X = np.repeat(np.arange(len(begin_I)), count_I)
    row_X = np.arange(len(run_X)) + np.repeat(begin_I - (np.cumsum(count_I) - count_I), count_I)
    return row_X, run_X
