"""Conformal prediction intervals with the season as the unit.

Shapes: N rows of a SeasonTable, E errors of a season, T crops, R regions, K seasons.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from data.contracts.season_table import Floats, Integers, SeasonTable, recode
from data.contracts.vocabulary import LEVELS

# a region whose other seasons were predicted perfectly still has some error to reckon with
_LEAST_SCALE = 1e-6


@dataclass(frozen=True, eq=False)
class Widths:
    """Half the width of one predictor's intervals, in each crop's unit: `factor` times `scale_RT`.

    `factor` maps (level, crop) to a number, `scale_RT` is the usual size of an error in each region
    of `region_names`. `unseen` maps (level, crop) to the half-width in any other region. Where there
    is no entry there is no interval.
    """

    region_names: tuple[str, ...]
    crops: tuple[str, ...]
    scale_RT: Floats
    factor: Mapping[tuple[int, str], float]
    unseen: Mapping[tuple[int, str], float]

    def of(self, level: int, crops: Sequence[str], table: SeasonTable) -> Floats:
        """Half-widths [N, T] for the rows of a table and the crops asked for; NaN where there is none."""
        code_N = recode(table.region_N, table.region_names, self.region_names)
        width_NT = np.full((len(table), len(crops)), np.nan)
        for at, crop in enumerate(crops):
            if (level, crop) in self.factor:
                scale_R = self.scale_RT[:, self.crops.index(crop)] * self.factor[level, crop]
                width_R = np.append(scale_R, self.unseen.get((level, crop), np.nan))  # -1 takes the last
                width_NT[:, at] = width_R[code_N]
        return width_NT

    def median(self, level: int, crop: str) -> float | None:
        """Half-width in the middle of all regions; None where there is none."""
        if (level, crop) not in self.factor:
            return None
        return float(np.median(self.scale_RT[:, self.crops.index(crop)])) * self.factor[level, crop]

    def as_json(self) -> dict[str, Any]:
        """Plain values that JSON can hold, for `from_json`."""
        return {
            "regions": self.region_names,
            "crops": self.crops,
            "scale": self.scale_RT.T.tolist(),
            "factor": _by_level(self.factor),
            "unseen": _by_level(self.unseen),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """The widths that `as_json` told."""
        factor, unseen = (
            {(int(level), crop): width for level, of in kept[part].items() for crop, width in of.items()}
            for part in ("factor", "unseen")
        )
        regions, crops = tuple(kept["regions"]), tuple(kept["crops"])
        scale_RT = np.array(kept["scale"], dtype=np.float64).reshape(len(crops), len(regions)).T
        return cls(regions, crops, scale_RT, factor, unseen)


@dataclass(frozen=True, eq=False)
class WidthsByLead:
    """Widths by lead: for seasons one, two, … after `last_season`, the last that the predictor learned from.

    Errors grow with the lead. Seasons further ahead than any lead here take the largest, seasons that
    were learned from the smallest; where a lead has no interval, the one before serves.
    """

    last_season: int
    by_lead: Mapping[int, Widths]

    def of(self, level: int, crops: Sequence[str], table: SeasonTable) -> Floats:
        """Half-widths [N, T] for the rows of a table and the crops asked for; NaN where there is none."""
        width_NT = np.full((len(table), len(crops)), np.nan)
        for at, lead in enumerate(sorted(self.by_lead)):
            rows_N = (table.year_N - self.last_season >= lead) | (at == 0)
            found_NT = self.by_lead[lead].of(level, crops, table.take(rows_N))
            width_NT[rows_N] = np.where(np.isnan(found_NT), width_NT[rows_N], found_NT)
        return width_NT

    def next_season(self) -> Widths:
        """Those of the smallest lead."""
        return self.by_lead[min(self.by_lead)]

    def as_json(self) -> dict[str, Any]:
        """Plain values that JSON can hold, for `from_json`."""
        leads = {str(lead): self.by_lead[lead].as_json() for lead in sorted(self.by_lead)}
        return {"last_season": self.last_season, "by_lead": leads}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """The widths that `as_json` told."""
        return cls(
            kept["last_season"], {int(lead): Widths.from_json(of) for lead, of in kept["by_lead"].items()}
        )


NO_WIDTHS = WidthsByLead(0, {1: Widths((), (), np.empty((0, 0)), {}, {})})


def fit_widths(
    names: tuple[str, ...],
    crops: tuple[str, ...],
    region_KE: Sequence[Integers],
    error_KET: Sequence[Floats],
    own_seasons: int,
) -> Widths:
    """Widths from the errors of K seasons; a region's own count as much as `own_seasons` of all regions'.

    Errors are taken relative to their region's usual size (locally weighted conformal prediction: Lei et
    al. 2018, "Distribution-free predictive inference for regression", section 5.2): the root of the mean
    square of its errors in the *other* seasons, shrunk toward the middle of all regions', so that the season
    at hand is no more part of its own scale than the season to come will be. See `conformal_quantiles` for
    the factor. NaN errors don't count.
    """
    scale_RT = np.zeros((len(names), len(crops)))
    factor: dict[tuple[int, str], float] = {}
    unseen: dict[tuple[int, str], float] = {}
    for at, crop in enumerate(crops):
        known = relative_errors(
            len(names), region_KE, [error_ET[:, at] for error_ET in error_KET], own_seasons
        )
        if known is None:
            continue
        scale_RT[:, at] = known.scale_R
        for level, found in conformal_quantiles([np.abs(each) for each in known.error_KE]).items():
            factor[level, crop], unseen[level, crop] = found, found * known.middle
    return Widths(names, crops, scale_RT, factor, unseen)


@dataclass(frozen=True, eq=False)
class RelativeErrors:
    """One crop's errors of K seasons, signed, in units of their region's usual size.

    `scale_R` is that size for the season to come, in the crop's unit, `middle` that of the middle region.
    """

    error_KE: Sequence[Floats]
    scale_R: Floats
    middle: float


def relative_errors(
    regions: int, region_KE: Sequence[Integers], error_KE: Sequence[Floats], own_seasons: int
) -> RelativeErrors | None:
    """Errors relative to their region's usual size in the other seasons; None with too few seasons.

    See `fit_widths`. NaN errors don't count.
    """
    pairs = [
        (region_E[known_E], error_E[known_E])
        for region_E, error_E in zip(region_KE, error_KE, strict=True)
        if (known_E := np.isfinite(error_E)).any()
    ]
    if len(pairs) < seasons_needed(min(LEVELS)):
        return None
    squares_KR = np.stack([np.bincount(region_E, error_E**2, regions) for region_E, error_E in pairs])
    rows_KR = np.stack([np.bincount(region_E, minlength=regions) for region_E, _ in pairs])
    squares_R, rows_R = squares_KR.sum(axis=0), rows_KR.sum(axis=0)
    scale_R, middle = _scale(squares_R, rows_R, own_seasons)
    relative = []
    for k, (region_E, error_E) in enumerate(pairs):
        others_R, _ = _scale(squares_R - squares_KR[k], rows_R - rows_KR[k], own_seasons)
        scale_E = np.maximum(others_R[region_E], _LEAST_SCALE * middle)
        relative.append(np.divide(error_E, scale_E, out=np.zeros_like(error_E), where=scale_E > 0))
    return RelativeErrors(relative, scale_R, middle)


def conformal_quantiles(sizes: Iterable[Floats]) -> dict[int, float]:
    """For each level the size within which so many % of a season to come are expected to lie.

    Conformal prediction with the season as the unit: seasons weigh alike, 1/(K+1) each, whatever their
    number of rows, and the worst one seen stands in for the season to come: the result is the smallest
    size q at which Σ_k F_k(q) + min_k F_k(q) reaches `level` % of K + 1, F_k being the share of season k
    within q. (Lee, Barber and Willett 2023, "Distribution-free inference with hierarchical data", put the
    season to come at infinity. That never covers too little, but where rows differ within a season, as
    yields do, it covers 99 % instead of 95.) Where all rows of a season err alike the two are the same.
    A level for which the K seasons are too few is absent. NaNs don't count.
    """
    known = [np.sort(each[np.isfinite(each)]) for each in sizes]
    known = [each for each in known if len(each)]
    levels = [level for level in LEVELS if len(known) >= seasons_needed(level)]
    if not levels:
        return {}

    def within(q: float) -> float:
        shares = [int(each.searchsorted(q, side="right")) / len(each) for each in known]
        return sum(shares) + min(shares)

    candidates = np.sort(np.concatenate(known))
    # shares such as 1/3 sum to a little less than 1, which must not push the quantile a row up
    needed = {level: level * (len(known) + 1) / 100 - 1e-9 * len(known) for level in levels}
    return {level: float(candidates[bisect_left(candidates, needed[level], key=within)]) for level in levels}


def seasons_needed(level: int) -> int:
    """Fewest seasons K with K/(K+1) at least `level` %: 4 for 80 %, 19 for 95 %."""
    return math.ceil(level / (100 - level))


def _scale(squares_R: Floats, rows_R: Integers, own_seasons: int) -> tuple[Floats, float]:
    """The usual size of an error in each region [R], and in the middle of them all.

    Shrunk by ratio: one region of ten times the errors of all others must not widen theirs.
    """
    seen_R = rows_R > 0
    if not squares_R.sum() > 0:
        return np.zeros(len(rows_R)), 0.0
    # a sum whose terms were taken away again may be left a little below zero
    least = _LEAST_SCALE**2 * squares_R.sum() / rows_R.sum()
    log_R = np.zeros(len(rows_R))
    log_R[seen_R] = np.log(np.maximum(squares_R[seen_R] / rows_R[seen_R], least)) / 2
    middle = float(log_R[seen_R].mean())
    shrunk_R = (rows_R * log_R + own_seasons * middle) / (rows_R + own_seasons)
    return np.exp(shrunk_R), math.exp(middle)


def _by_level(widths: Mapping[tuple[int, str], float]) -> dict[str, dict[str, float]]:
    return {str(at): {crop: width for (level, crop), width in widths.items() if level == at} for at in LEVELS}
