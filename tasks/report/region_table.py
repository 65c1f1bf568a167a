"""The bulletin's table of regions: forecasts beside means, ranks and the history of yields."""

from __future__ import annotations

import numpy as np
import pandas as pd

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"  # as in templates/page.js


def region_table(rows: pd.DataFrame, regions: pd.DataFrame, yields: pd.DataFrame) -> pd.DataFrame:
    """Each region's forecast of a crop beside what is known of it, the largest departure from the mean first.

    `rows` are the crop's forecasts of one season, `yields` its known yields, both with the published columns;
    `regions` has region, name, group. Adds to `rows`: name, group, departure (a share of mean_5), rank among
    past years (1: the largest yield), years, and history as letters, one for each year from the crop's first
    to its last.
    """
    found = rows.merge(regions[["region", "name", "group"]], on="region", how="left")
    found["name"] = found["name"].fillna(found["region"])
    found["departure"] = found["predicted"] / found["mean_5"].where(found["mean_5"] != 0) - 1
    past = yields.pivot_table(index="region", columns="year", values="yield")
    if len(past.columns):
        past = past.reindex(columns=range(int(past.columns.min()), int(past.columns.max()) + 1))
    known = past.reindex(found["region"])
    with np.errstate(invalid="ignore"):
        found["rank"] = 1 + (known.to_numpy() > found["predicted"].to_numpy()[:, None]).sum(axis=1)
    found["years"] = known.notna().to_numpy().sum(axis=1)
    found["history"] = _letters(known)
    order = found["departure"].abs().sort_values(ascending=False, kind="stable", na_position="last").index
    return found.loc[order].reset_index(drop=True)


def _letters(known: pd.DataFrame) -> list[str]:
    """Each row's values from its least (A) to its most (9), a dot where nothing is known."""
    values = known.to_numpy(dtype=np.float64)
    if not values.size:
        return [""] * len(known)
    filled = np.isfinite(values)
    low = np.where(filled, values, np.inf).min(axis=1, keepdims=True)
    high = np.where(filled, values, -np.inf).max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(high > low, (values - low) / (high - low), 0.5)
    at = np.where(filled, np.nan_to_num(share) * (len(_LETTERS) - 1), 0).round().astype(np.int64)
    shown = np.where(filled, np.array(list(_LETTERS))[at], ".")
    return ["".join(row) for row in shown]
