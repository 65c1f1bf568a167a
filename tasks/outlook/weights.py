"""What each region weighs in larger units: harvested areas, the regions' areas, or all alike.

Shapes: T crops, Y harvest years, R regions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from data.contracts.season_table import Floats
from tasks.assemble.regions import Regions

Kind = Literal["harvested", "regions", "equal"]
# a region whose crop hasn't been recorded for so long is no part of the whole any more
_MEMBER_YEARS = 10
_KNOWN = 5


@dataclass(frozen=True, eq=False)
class Weights:
    """`weight_TYR` of the regions that grow a crop, in the unit that `kinds` implies; NaN for the others.

    `years` begins with the first one and leaves none out.
    """

    crops: pd.Index[str]
    years: range
    regions: pd.Index[str]
    weight_TYR: Floats
    kinds: Mapping[str, Kind]

    def of(self, rows: pd.DataFrame) -> Floats:
        """The weight of each row, by its region, year and crop; NaN where it weighs nothing."""
        crop_N = self.crops.get_indexer(pd.Index(rows["crop"]))
        region_N = self.regions.get_indexer(pd.Index(rows["region"]))
        year_N = rows["year"].to_numpy(np.int64) - self.years.start
        inside_N = (crop_N >= 0) & (region_N >= 0) & (year_N >= 0) & (year_N < len(self.years))
        weight_N = np.full(len(rows), np.nan)
        weight_N[inside_N] = self.weight_TYR[crop_N[inside_N], year_N[inside_N], region_N[inside_N]]
        return weight_N


def weigh(harvests: pd.DataFrame, regions: Regions | None, last: int) -> Weights:
    """The weight of each region in each harvest year up to `last`, for each crop.

    `harvests` has a row for each known yield: region, year, crop, yield, area (NaN where unknown). A region
    belongs to a crop's whole where it has a yield in the ten years up to the season, or in the ten that end
    with the crop's last known one. It weighs its harvested area, the season's own or else the mean of the
    last five known before it; where a crop has none at all, the regions' areas; without these all alike. A
    region whose area isn't known weighs nothing.
    """
    known = harvests["year"] if len(harvests) else pd.Series([last])
    first, last = int(known.min()), max(int(known.max()), last)
    years = range(first, last + 1)
    names = pd.Index(sorted(harvests["region"].unique()))
    crops = pd.Index(sorted(harvests["crop"].unique()))
    weight_TYR = np.full((len(crops), len(years), len(names)), np.nan)
    kinds: dict[str, Kind] = {}
    area_R = np.full(len(names), np.nan)
    if regions is not None:
        area_R = regions.table.set_index("region")["area"].reindex(names).to_numpy(np.float64)
    for at, crop in enumerate(crops):
        rows = harvests[harvests["crop"] == crop]
        region_N, year_N = (
            names.get_indexer(pd.Index(rows["region"])),
            rows["year"].to_numpy(np.int64) - first,
        )
        member_YR = np.zeros(weight_TYR.shape[1:], np.bool_)
        for ago in range(_MEMBER_YEARS):
            reached_N = year_N + ago < len(years)
            member_YR[year_N[reached_N] + ago, region_N[reached_N]] = True
        end = int(year_N.max())
        member_YR[end + 1 :] = member_YR[end]
        harvested = bool(rows["area"].notna().any())
        kinds[crop] = kind = "harvested" if harvested else "equal" if np.isnan(area_R).all() else "regions"
        if kind == "harvested":
            own_YR = np.full(member_YR.shape, np.nan)
            own_YR[year_N, region_N] = rows["area"]
            own_YR = _with_recent(own_YR)
        else:
            own_YR = np.broadcast_to(1.0 if kind == "equal" else area_R, member_YR.shape)
        weight_TYR[at] = np.where(member_YR, own_YR, np.nan)
    return Weights(crops, years, names, weight_TYR, kinds)


def _with_recent(area_YR: Floats) -> Floats:
    """Areas, where unknown the mean of the last five known before. K: known areas, by region and year."""
    area_RY = area_YR.T
    known_RY = ~np.isnan(area_RY)
    region_K, _ = np.nonzero(known_RY)
    value_K = area_RY[known_RY]
    last_KJ = np.full((len(value_K), _KNOWN), np.nan)
    for ago in range(min(_KNOWN, len(value_K))):
        own_K = region_K[ago:] == region_K[: len(region_K) - ago]
        last_KJ[ago:, ago] = np.where(own_K, value_K[: len(value_K) - ago], np.nan)
    mean_K = np.append(np.nanmean(last_KJ, axis=1), np.nan)
    before_RY = np.cumsum(known_RY, axis=1) - known_RY
    first_R = np.cumsum(known_RY.sum(axis=1)) - known_RY.sum(axis=1)
    at_RY = np.where(before_RY > 0, first_R[:, None] + before_RY - 1, len(value_K))
    filled_YR: Floats = np.where(known_RY, area_RY, mean_K[at_RY]).T
    return filled_YR
