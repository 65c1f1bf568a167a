"""Weather with one row per variable, as tidy tables have it: how to tell, and the command that pivots it.

Shapes: N sampled rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from data.inputs.fix_commands import rewrite
from data.survey.columns import is_aside, role_score
from data.survey.survey import Survey

_MOST_VARIABLES = 60
_FEW_COPIES = 0.05


def pivot_advice(weather: Survey, key: Sequence[str]) -> str | None:
    """What to do where a column of text tells apart the rows of one region and time; None where none does.

    `key` are the columns of region (the first) and time.
    """
    values = [
        name for name, kind in weather.kinds.items()
        if kind == "number" and name not in key and not is_aside(name)
    ]  # fmt: skip
    if len(values) != 1:
        return None
    key_N = pd.DataFrame({name: weather.names(name) for name in key})
    for name, kind in weather.kinds.items():
        if kind != "text" or name in key or is_aside(name):
            continue
        if max(role_score(name, "region"), role_score(name, "unit")) >= 0.45:
            continue
        variable_N = weather.names(name)
        found = list(variable_N.dropna().unique())
        if not 2 <= len(found) <= _MOST_VARIABLES:
            continue
        if key_N.assign(variable=variable_N).duplicated().mean() > _FEW_COPIES:
            continue
        # stations lie in one region each, variables are measured in many
        regions = key_N[key[0]].nunique()
        if regions > 1 and key_N[key[0]].groupby(variable_N).nunique().median() < max(2, regions / 2):
            continue
        pivot = (
            f"t = t.pivot_table(index={list(key)!r}, columns={name!r}, values={values[0]!r}).reset_index()"
        )
        shown = ", ".join(map(repr, found[:4]))
        return (
            f"there is one row per variable (column {name!r}: {shown}; values in {values[0]!r}), but a "
            f"column for each is expected: pivot it:\n{rewrite(weather.place, pivot)}"
        )
    return None
