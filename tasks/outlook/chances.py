"""Chances of a bad year: recent yields, the chance to fall below their mean, and how unusual the season is.

Frames hold a row for each unit (a region, or a larger unit), crop and year; `unit` names it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.contracts.season_table import Floats
from tasks.evaluate.conformal import relative_errors
from tasks.outlook.errors import Errors

_YEARS, _LEAST = 5, 3


def recent_yields(asked: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """`mean_5` and `last` for each row of `asked` (unit, crop, year), in its order; NaN where unknown.

    `history` holds known yields: unit, crop, year, yield. The mean is over the five calendar years before
    the season, or, where the crop's yields end earlier, the five that end with the last known one; it takes
    three of them.
    """
    ends = history.groupby("crop")["year"].max()
    key = asked[["unit", "crop", "year"]].drop_duplicates()
    end = np.fmin(key["year"] - 1, key["crop"].map(ends))
    pairs = key.assign(end=end).merge(history, on=["unit", "crop"], suffixes=("", "_known"))
    pairs = pairs[pairs["year_known"] < pairs["year"]]
    by = ["unit", "crop", "year"]
    inside = pairs[(pairs["year_known"] <= pairs["end"]) & (pairs["year_known"] > pairs["end"] - _YEARS)]
    means = inside.groupby(by)["yield"].agg(["mean", "count"])
    last = pairs.sort_values("year_known").groupby(by)["yield"].last()
    found = pd.DataFrame({"mean_5": means["mean"].where(means["count"] >= _LEAST), "last": last})
    return _aligned(asked, found)


def percentiles(asked: pd.DataFrame, past: pd.DataFrame) -> pd.Series[float]:
    """The percentile of each predicted departure among those of the unit's seasons before, ties half.

    Both hold unit, crop, year and departure. NaN where there is no season before.
    """
    key = asked[["unit", "crop", "year", "departure"]]
    pairs = key.reset_index(names="at").merge(past, on=["unit", "crop"], suffixes=("", "_past"))
    pairs = pairs[pairs["year_past"] < pairs["year"]]
    below = (pairs["departure_past"] < pairs["departure"]) + 0.5 * (
        pairs["departure_past"] == pairs["departure"]
    )
    return (below.groupby(pairs["at"]).mean() * 100).reindex(asked.index).rename("percentile")


def chances_of_regions(asked: pd.DataFrame, errors: Errors, own_seasons: int) -> pd.Series[float]:
    """The chance that each yield comes out below a bound: what past seasons' errors say of the one to come.

    `asked`: unit (a region), crop, year, predicted, bound. Errors are relative to their region's usual size,
    as those that the intervals are made of, and signed; seasons weigh alike. NaN without a bound, for a
    region without errors, and with too few seasons for an interval.
    """
    chance = pd.Series(np.nan, asked.index, name="chance_below_mean_5")
    known = dict(list(errors.frame.groupby(["crop", "lead"], observed=True)))
    for (crop, _), rows in asked.groupby(["crop", errors.leads(asked["year"])]):
        for earlier in range(int(errors.leads(rows["year"]).iloc[0]), 0, -1):
            found = known.get((crop, earlier))
            if found is None:
                continue
            code, names = pd.factorize(found["region"], sort=True)
            seasons = [code[at] for at in found.groupby("year").indices.values()]
            sizes = [found["error"].to_numpy()[at] for at in found.groupby("year").indices.values()]
            relative = relative_errors(len(names), seasons, sizes, own_seasons)
            if relative is None:
                continue
            position = pd.Index(names).get_indexer(pd.Index(rows["unit"]))
            scale = np.append(relative.scale_R, np.nan)[position]
            gap = (rows["bound"] - rows["predicted"]).to_numpy(np.float64)
            chance[rows.index] = share_below(gap, scale, relative.error_KE)
            break
    return chance


def share_below(gap_E: Floats, scale_E: Floats, error_KE: Sequence[Floats]) -> Floats:
    """What the shares of each season's relative errors below gap / scale come to, [E]; NaN stays NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        at_E = gap_E / scale_E
    shares = [np.searchsorted(np.sort(each), at_E, side="left") / len(each) for each in error_KE]
    return np.where(np.isnan(at_E), np.nan, of_the_next(np.sum(shares, axis=0), len(error_KE)))


def of_the_next(below_E: Floats, seasons: int | NDArray[np.intp]) -> Floats:
    """The chance of the season to come, when so many of the past `seasons` came out below.

    It is one more among them, of which nothing is known, and counts half: the middle of a conformal
    predictive distribution (Vovk, Shen, Manokhin and Xie 2019). Nine seasons of nine make 95 %, and nothing
    is ever certain.
    """
    return (below_E + 0.5) / (seasons + 1)


def _aligned(asked: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    wanted = pd.MultiIndex.from_frame(asked[["unit", "crop", "year"]])
    return found.reindex(wanted).set_axis(asked.index)
