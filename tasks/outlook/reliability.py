"""Reliability of chances: what was said beside what came true, in ten bins, and Brier skill."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from data.contracts.season_table import Floats, Integers

_BINS = 10
_DRAWS = 1000
_SEED = 0  # part of the definition: the same rows always have the same error


def chance_metrics(said: pd.DataFrame, usual: pd.DataFrame) -> dict[str, Any]:
    """Each crop's reliability in ten bins, Brier score and skill, for `metrics.json`.

    `said` holds crop, year, actual, mean_5, chance_below_mean_5; rows without any of these don't count.
    `usual` is the climatology: see `usual_frequencies`. The skill is 1 - Brier / Brier of the climatology on
    the same rows; None where there is nothing to hold it against.
    """
    known = said.dropna(subset=["actual", "mean_5", "chance_below_mean_5"])
    known = known.merge(usual, on=["crop", "year"], how="left")
    return {str(crop): _of_crop(rows) for crop, rows in known.groupby("crop", sort=False)}


def usual_frequencies(harvests: pd.DataFrame) -> pd.DataFrame:
    """How often yields had come out below the mean of the five years before, before each season.

    `harvests` holds region, year, crop, yield; the result crop, year, usual: the share among all regions'
    seasons before that year that have three or more yields in the five years before them.
    """
    found = []
    for crop, rows in harvests.groupby("crop", sort=True):
        first, last = int(rows["year"].min()), int(rows["year"].max())
        yields = rows.pivot(index="year", columns="region", values="yield").reindex(range(first, last + 2))
        mean = yields.rolling(5, min_periods=3).mean().shift(1)
        below = (yields < mean).where(yields.notna() & mean.notna())
        counts = below.notna().sum(axis=1).cumsum().shift(1)
        usual = below.sum(axis=1).cumsum().shift(1) / counts.where(counts > 0)
        found.append(pd.DataFrame({"crop": crop, "year": usual.index, "usual": usual.to_numpy(np.float64)}))
    return pd.concat(found, ignore_index=True)


def _of_crop(rows: pd.DataFrame) -> dict[str, Any]:
    chance_E = rows["chance_below_mean_5"].to_numpy(np.float64)
    below_E = np.where(rows["actual"] < rows["mean_5"], 1.0, 0.0)
    usual_E = rows["usual"].to_numpy(np.float64)
    brier, reference = float(np.mean((chance_E - below_E) ** 2)), np.mean((usual_E - below_E) ** 2)
    held = np.isfinite(reference) and reference > 0
    return {
        "rows": len(rows),
        "said": float(chance_E.mean()),
        "observed": float(below_E.mean()),
        "brier": brier,
        "brier_climatology": float(reference) if held else None,
        "brier_skill": float(1 - brier / reference) if held else None,
        "bins": _bins(chance_E, below_E, rows["year"].to_numpy()),
    }


def _bins(chance_E: Floats, below_E: Floats, year_E: Integers) -> list[dict[str, Any]]:
    """Bins that have rows: their ends, what was said and observed, and two standard errors of the difference.

    These are bootstrapped over whole seasons, whose rows share their weather.
    """
    bin_E = np.minimum((chance_E * _BINS).astype(np.int64), _BINS - 1)
    years, season_E = np.unique(year_E, return_inverse=True)
    shape, cell_E = (_BINS, len(years)), bin_E * len(years) + season_E
    rows_BS, excess_BS = (
        np.bincount(cell_E, weights, shape[0] * shape[1]).reshape(shape)
        for weights in (np.ones(len(bin_E)), chance_E - below_E)
    )
    draws_DS = np.random.default_rng(_SEED).multinomial(
        len(years), np.full(len(years), 1 / len(years)), _DRAWS
    )
    found = []
    for at in range(_BINS):
        inside_E = bin_E == at
        if not inside_E.any():
            continue
        drawn_D = draws_DS @ rows_BS[at]
        difference_D = (draws_DS @ excess_BS[at])[drawn_D > 0] / drawn_D[drawn_D > 0]
        found.append(
            {
                "from": at / _BINS,
                "to": (at + 1) / _BINS,
                "rows": int(inside_E.sum()),
                "said": float(chance_E[inside_E].mean()),
                "observed": float(below_E[inside_E].mean()),
                "two_errors": float(2 * difference_D.std()) if len(years) > 1 else None,
            }
        )
    return found
