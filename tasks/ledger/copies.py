"""Copies of a key: which row is kept, which is a duplicate, which conflict."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from data.contracts.season_table import Integers
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
    order, value_XV = _by_key(key_XK), value_XV + 0.0  # -0.0 and 0.0 agree
    key_XK = key_XK[order]
    same_key = np.zeros(len(order), np.bool_)
    same_key[1:] = (key_XK[1:] == key_XK[:-1]).all(axis=1)
    group = np.cumsum(~same_key) - 1
    # of two rows each is the other's neighbour; more are sorted, so that equal ones become neighbours
    many = np.flatnonzero(np.bincount(group)[group] > 2)
    order[many] = order[many][np.lexsort([order[many], *reversed(value_XV[order[many]].T), group[many]])]
    same_all = same_key.copy()
    same_all[1:] &= (value_XV[order[1:]] == value_XV[order[:-1]]).all(axis=1)
    distinct = np.bincount(group, ~same_all)[group]
    verdict_X[order] = np.where(same_all, DUPLICATE, np.where(distinct > 1, CONFLICT, KEPT))
    return verdict_X


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
