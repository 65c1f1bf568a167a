"""An index of region-seasons, which rows can be looked up in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.contracts.season_table import Integers
from tasks.features.time_table import TimeTable
from tasks.weather.rows import RowBatch


class SeasonIndex:
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
        # neighbours are mostly of one season, which is looked up once
        new_N = np.ones(len(batch), np.bool_)
        new_N[1:] = (group_N[1:] != group_N[:-1]) | (batch.code_N[1:] != batch.code_N[:-1])
        first_I = np.flatnonzero(new_N)
        group_I = group_N[first_I].astype(np.int64)
        year_I = table.year0 + group_I // table.plan.segments
        cell_I = self.find(batch.names, batch.code_N[first_I].astype(np.int64), year_I)
        cell_I[group_I >= table.groups] = -1
        cell_N = np.repeat(cell_I, np.diff(first_I, append=len(batch)))
        return cell_N, table.slot_T[table_at].astype(np.int64)
