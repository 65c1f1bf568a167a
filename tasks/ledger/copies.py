"""Copies of a key: which row is kept, which is a duplicate, which conflict."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from data.contracts.season_table import Flags, Integers
from data.contracts.vocabulary import Reason
from tasks.ledger import rejected

KEPT, DUPLICATE, CONFLICT = 0, rejected.RANK[Reason.DUPLICATE], rejected.RANK[Reason.CONFLICT]
_Verdicts = npt.NDArray[np.int64]


def resolve_duplicates(key_XK: Integers, value_XV: npt.NDArray[np.float64]) -> _Verdicts:
    """KEPT, DUPLICATE or CONFLICT for each of X rows, which are in the order of path and row.

    `key_XK` are the key's columns, `value_XV` what must agree. A row that equals an earlier one of
    its key is a duplicate; what is left of a key is kept if it is one row, else conflicts.
    """
    verdict_X = np.zeros(len(key_XK), np.int64)
    if not len(key_XK):
        return verdict_X
    order = _by_key(key_XK)
    same_key = _like_the_one_before(key_XK, order)
    group_G = np.flatnonzero(~same_key)
    size_G = np.diff(group_G, append=len(order))
    # of two rows each is the other's neighbour; more are sorted, so that equal ones become neighbours
    many = np.flatnonzero(np.repeat(size_G > 2, size_G))
    if len(many):
        group = np.repeat(np.arange(len(group_G)), size_G)[many]
        value_X = value_XV[order[many]] + 0.0  # -0.0 and 0.0 agree
        order[many] = order[many][np.lexsort([order[many], *reversed(value_X.T), group])]
    same_all = same_key & _like_the_one_before(value_XV, order)
    alone = np.repeat(np.add.reduceat(~same_all, group_G, dtype=np.int64) == 1, size_G)
    verdict_X[order] = np.where(same_all, DUPLICATE, np.where(alone, KEPT, CONFLICT))
    return verdict_X


def _like_the_one_before(value_XV: npt.NDArray[Any], order: Integers) -> Flags:
    """Whether each row equals, in all columns, the one before it in an order (X)."""
    same_X = np.ones(len(order), np.bool_)
    same_X[:1] = False
    for value_X in value_XV.T:
        value_X = value_X[order]
        same_X[1:] &= value_X[1:] == value_X[:-1]
    return same_X


def _by_key(key_XK: Integers) -> Integers:
    """The order that brings equal keys together and leaves their rows in theirs."""
    low_K = key_XK.min(axis=0)
    spans = (key_XK.max(axis=0) - low_K + 1).tolist()
    if math.prod(spans) >= 2**63:
        return np.lexsort(key_XK.T)
    one_X = np.zeros(len(key_XK), np.int64)
    for low, span, column_X in zip(low_K, spans, key_XK.T, strict=True):
        one_X = one_X * span + (column_X - low)
    return np.argsort(one_X, kind="stable")
