"""Copies of a key: which row is kept, which is a duplicate, which conflict."""

from __future__ import annotations

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
