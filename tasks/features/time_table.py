"""The calendar of a stretch of times as look-up tables, and sets of slots as bits of words.

Shapes: T times of a table, K slots, S segments of the season, W words of 64 slots, Y years, X anything.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data.contracts.season_table import Flags, Integers
from data.contracts.vocabulary import OutOfScope
from data.settings.calendar import OUTSIDE
from tasks.features.plan import Plan

Words = npt.NDArray[np.uint64]
SCOPES = (
    OutOfScope.OUTSIDE_SEASON,
    OutOfScope.BEFORE_FIRST,
    OutOfScope.AFTER_LAST,
    OutOfScope.AFTER_AS_OF,
)


class TimeTable:
    """The calendar of a stretch of times, widened as rows ask for it.

    `group_T` numbers (harvest year, segment) from 0 for times that are in scope; for the others it
    is `groups` + their position in SCOPES. `breaks` are the positions at which it changes. Times
    after `until` are out of scope, as if they hadn't come yet.
    """

    def __init__(
        self, plan: Plan, first_season: int | None, last_season: int | None, until: int | None = None
    ) -> None:
        self.plan, self.first_season, self.last_season, self.until = plan, first_season, last_season, until
        self.first, self.last = 0, -1
        slots = len(plan.calendar)
        self.below_KW = pack_bits(np.tri(slots + 1, slots, -1, dtype=np.bool_))

    def cover(self, first: int, last: int) -> None:
        """Make the table hold every time from `first` to `last`."""
        if self.first <= first and last <= self.last:
            return
        if self.last >= self.first:
            first, last = min(first, self.first), max(last, self.last)
        self.first, self.last = first, last
        year_T, self.slot_T = self.plan.calendar.locate(first, last)
        self.year0 = int(year_T.min())
        self.years = int(year_T.max()) - self.year0 + 1
        self.groups = self.years * self.plan.segments
        group_T = (year_T - self.year0) * self.plan.segments + self.plan.segment_K[self.slot_T]
        if self.until is not None:
            group_T[max(self.until + 1 - first, 0) :] = self.groups + 3
        if self.first_season is not None:
            group_T[year_T < self.first_season] = self.groups + 1
        if self.last_season is not None:
            group_T[year_T > self.last_season] = self.groups + 2
        group_T[self.slot_T == OUTSIDE] = self.groups
        self.group_T = group_T.astype(np.int32)
        self.breaks = np.flatnonzero(group_T[1:] != group_T[:-1]) + 1
        day_YK = self.plan.calendar.slot_days(np.arange(self.year0, self.year0 + self.years))
        self.exists_YW = pack_bits(day_YK > 0)

    def scope_of(self, time_N: npt.NDArray[np.integer]) -> Integers:
        """-1 in scope, else the position in SCOPES, for each of some times (N)."""
        scope_N: Integers = np.maximum(self.group_T[time_N - self.first] - self.groups, -1).astype(np.int64)
        return scope_N


def pack_bits(flag_XK: Flags) -> Words:
    """Flags (X, K) as words (X, W), bit k for slot k."""
    byte_XB = np.packbits(flag_XK, axis=1, bitorder="little")
    padded = np.zeros((len(flag_XK), words_for(flag_XK.shape[1]) * 8), np.uint8)
    padded[:, : byte_XB.shape[1]] = byte_XB
    return padded.view("<u8").astype(np.uint64)


def unpack_bits(word_XW: Words, slots: int) -> Flags:
    """Words (X, W) back to flags (X, K)."""
    byte_XB = np.ascontiguousarray(word_XW.astype("<u8")).view(np.uint8)
    return np.unpackbits(byte_XB, axis=1, count=slots, bitorder="little").astype(np.bool_)


def words_for(slots: int) -> int:
    """W, the words that hold K slots."""
    return -(-slots // 64)
