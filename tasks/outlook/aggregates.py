"""Aggregates: what regional predictions mean for states and the country, with intervals of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts.columns import (
    AGGREGATE_COLUMNS,
    ALL,
    HISTORY_COLUMNS,
    OF_REGION,
    WEIGHT_COLUMNS,
    schema_of,
)
from data.contracts.season_table import Floats, Integers
from data.contracts.vocabulary import LEVELS, SplitName
from tasks.assemble.regions import Regions
from tasks.evaluate.conformal import seasons_needed
from tasks.outlook.chances import of_the_next, percentiles, recent_yields
from tasks.outlook.errors import Errors
from tasks.outlook.weights import Weights

_FIGURES = ("predicted", "baseline", "actual")
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Parts:
    """Larger units: `units` lists them by number (level, name), `unit_LR` tells which each region is in."""

    units: pd.DataFrame
    unit_LR: Integers


@dataclass(frozen=True, eq=False)
class Ground:
    """What aggregates stand on besides predictions.

    `parts` are of the weights' regions. `history` holds known yields (region, year, crop, yield); `ranges`
    each crop's valid range.
    """

    parts: Parts
    weights: Weights
    history: pd.DataFrame
    min_share: float
    ranges: Mapping[str, tuple[float, float]]

    @cached_property
    def whole_TYU(self) -> Floats:
        """The weight of each unit, for the weights' crops and years."""
        T, Y, _ = self.weights.weight_TYR.shape
        whole_TYU = np.zeros((T, Y, len(self.parts.units)))
        for unit_R in self.parts.unit_LR:
            for at, unit in enumerate(unit_R):
                whole_TYU[:, :, unit] += np.nan_to_num(self.weights.weight_TYR[:, :, at])
        return whole_TYU


def parts_of(levels: Sequence[str], regions: Regions | None, names: Iterable[str]) -> Parts:
    """The units of each level and of all regions together; regions without a label are a part, too."""
    frame = pd.DataFrame({"region": list(names)})
    if regions is not None:
        frame = frame.merge(regions.table[["region", *levels]], on="region", how="left")
    units: list[pd.DataFrame] = []
    codes = []
    for level, labels in (*((level, frame[level]) for level in levels), (ALL, [ALL] * len(frame))):
        code_R, known = pd.factorize(pd.Series(labels, dtype=object), sort=True)
        listed = [*known, None] if (code_R < 0).any() else [*known]
        codes.append(np.where(code_R < 0, len(known), code_R) + sum(len(each) for each in units))
        units.append(pd.DataFrame({"level": level, "name": pd.Series(listed, dtype=object)}))
    return Parts(pd.concat(units, ignore_index=True).rename_axis("unit"), np.stack(codes).astype(np.int64))


def weighted_means(
    rows: pd.DataFrame, values: Sequence[str], by: Sequence[str], ground: Ground
) -> pd.DataFrame:
    """Weighted means of some values over each unit's regions, with what is known of the unit's weight.

    `rows` holds region, year, crop and what else `by` names; `by` contains year and crop. The result has
    a row for each unit and `by`: the values, `known` (weight of the regions at hand), `whole` (of all of the
    unit's), `share` of the two, and `regions` (how many are at hand).
    """
    weight_N = ground.weights.of(rows)
    rows, weight_N = rows[~np.isnan(weight_N)], weight_N[~np.isnan(weight_N)]
    region_N = ground.weights.regions.get_indexer(pd.Index(rows["region"]))
    groups = rows.groupby(list(by), sort=False, observed=True)
    group_N, U = groups.ngroup().to_numpy(), len(ground.parts.units)
    # groups are numbered as they first appear
    first_G = np.flatnonzero(np.diff(np.maximum.accumulate(group_N), prepend=-1))
    first = rows[list(by)].iloc[first_G].reset_index(drop=True)
    cells = len(first) * U
    found = {name: np.zeros(cells) for name in (*values, "known", "regions")}
    for unit_R in ground.parts.unit_LR:
        cell_N = group_N * U + unit_R[region_N]
        for name in values:
            found[name] += np.bincount(cell_N, rows[name].to_numpy(np.float64) * weight_N, cells)
        found["known"] += np.bincount(cell_N, weight_N, cells)
        found["regions"] += np.bincount(cell_N, minlength=cells)
    used = np.flatnonzero(found["regions"])
    group_G, unit_G = used // U, used % U
    sums = first.iloc[group_G].reset_index(drop=True).assign(unit=unit_G)
    known_G, regions_G = found.pop("known")[used], found.pop("regions")[used]
    for name, total in found.items():
        sums[name] = np.divide(total[used], known_G, out=np.full(len(used), np.nan), where=known_G > 0)
    crop_G = ground.weights.crops.get_indexer(pd.Index(sums["crop"]))
    whole_G = ground.whole_TYU[crop_G, sums["year"].to_numpy(np.int64) - ground.weights.years.start, unit_G]
    share_G = np.divide(known_G, whole_G, out=np.zeros(len(used)), where=whole_G > 0)
    return sums.assign(known=known_G, whole=whole_G, share=share_G, regions=regions_G.astype(np.int64))


def weights_table(ground: Ground, years: Iterable[int]) -> pa.Table:
    """What each region weighs in each larger unit in some harvest years, as contracts.WEIGHT_COLUMNS."""
    weights, units = ground.weights, ground.parts.units
    chosen = [year for year in sorted(set(years)) if year in weights.years]
    weight_TYR = weights.weight_TYR[:, [year - weights.years.start for year in chosen]]
    crop_N, year_N, region_N = np.nonzero(~np.isnan(weight_TYR))
    parts = [
        pd.DataFrame(
            {
                "unit": unit_R[region_N],
                "region": weights.regions[region_N],
                "year": np.array(chosen, np.int64)[year_N],
                "crop": weights.crops[crop_N],
                "weight": weight_TYR[crop_N, year_N, region_N],
            }
        )
        for unit_R in ground.parts.unit_LR
    ]
    frame = pd.concat(parts, ignore_index=True).sort_values(["unit", "region", "year", "crop"])
    schema = schema_of(WEIGHT_COLUMNS)
    frame = frame.join(units, on="unit")[schema.names]
    table = pa.Table.from_pandas(frame, schema.remove_metadata(), preserve_index=False)
    return table.replace_schema_metadata(schema.metadata)


def history_table(ground: Ground) -> pa.Table:
    """Yields known so far, of regions and of larger units, as contracts.HISTORY_COLUMNS."""
    regional = ground.history.rename(columns={"region": "name"}).assign(level=OF_REGION)
    regional = regional.sort_values(["name", "year", "crop"])
    larger = known_of_units(ground.history, "yield", ground).sort_values(["unit", "year", "crop"])
    schema = schema_of(HISTORY_COLUMNS)
    frame = pd.concat([regional, larger.join(ground.parts.units, on="unit")], ignore_index=True)
    table = pa.Table.from_pandas(frame[schema.names], schema.remove_metadata(), preserve_index=False)
    return table.replace_schema_metadata(schema.metadata)


def choose_cutoffs(said: pd.DataFrame, ground: Ground, order: Sequence[str]) -> pd.DataFrame:
    """Of seasons to come, the rows of one cut-off for each crop and year; other rows stay.

    It is the latest that `min_share` of the whole weight can serve, else the one that most of it can.
    `order` lists the cut-offs, earliest first.
    """
    ahead = said["split"] == str(SplitName.FORECAST)
    known = weighted_means(said[ahead], [], ["crop", "year", "as_of"], ground)
    units = ground.parts.units
    known = known[known["unit"].isin(units.index[units["level"] == ALL])]
    # enough is enough: among those that suffice the latest, else the largest share
    known["rank"] = np.minimum(known["share"] + _ROUNDING, ground.min_share)
    known["at"] = known["as_of"].map({day: at for at, day in enumerate(order)})
    best = known.sort_values(["rank", "at"]).drop_duplicates(["crop", "year"], keep="last")
    chosen = pd.MultiIndex.from_frame(best[["crop", "year", "as_of"]])
    return said[~ahead | pd.MultiIndex.from_frame(said[["crop", "year", "as_of"]]).isin(chosen)]


def aggregate(said: pd.DataFrame, errors: Errors, past: pd.DataFrame, ground: Ground) -> pd.DataFrame:
    """What predictions at one cut-off come to in each larger unit, with intervals, chances, production.

    `said` holds region, year, crop, as_of, unit (the yield's), split, predicted, baseline, actual; of seasons
    harvested only rows with a yield, so that both sides compare the same regions. `past`: departures from
    the baseline that were predicted for past seasons (region, year, crop, departure). The result has the
    columns of contracts.AGGREGATE_COLUMNS but season and run_id. Figures are null where less than
    `min_share` of the unit's weight is known.
    """
    said = said[(said["split"] == str(SplitName.FORECAST)) | said["actual"].notna()]
    crop_units = said.drop_duplicates("crop").set_index("crop")["unit"]
    by = ["year", "crop", "as_of", "split"]
    found = weighted_means(said.drop(columns="unit"), _FIGURES, by, ground)
    found = found.join(ground.parts.units, on="unit")
    enough = found["share"] + _ROUNDING >= ground.min_share
    found.loc[~enough, list(_FIGURES)] = np.nan
    found["weights"] = found["crop"].map(ground.weights.kinds)
    found["area"] = found["whole"].where(found["weights"] != "equal")
    found["production"] = found["predicted"] * found["area"]
    found["departure"] = found["predicted"] - found["baseline"]
    history = known_of_units(ground.history, "yield", ground)
    found[["mean_5", "last"]] = recent_yields(found, history)
    found["percentile"] = percentiles(found, known_of_units(past, "departure", ground)).where(enough)
    found = _with_intervals(found, _errors_of_units(errors, ground), errors, ground)
    found["unit"] = found["crop"].map(crop_units)
    return found.drop(columns=["known", "whole", "departure"])


def joined_aggregates(tables: Sequence[pa.Table]) -> pa.Table:
    """Aggregates of several seasons and cut-offs as one table, sorted as each of them."""
    joined = pa.concat_tables([schema_of(AGGREGATE_COLUMNS).empty_table(), *tables])
    frame = joined.select(["level", "name", "year", "crop"]).to_pandas()
    levels = {level: at for at, level in enumerate(pd.unique(frame["level"]))}
    order = frame.assign(level=frame["level"].map(levels)).sort_values(
        ["level", "name", "year", "crop"], na_position="last", kind="stable"
    )
    return joined.take(pa.array(order.index.to_numpy())).combine_chunks()


def aggregate_metrics(aggregates: pa.Table, as_of: str) -> dict[str, Any]:
    """Scores of harvested aggregates at one cut-off for `metrics.json`: by level, by crop.

    `rmspe` is the root of the mean squared relative error, in %.
    """
    frame = aggregates.to_pandas()
    frame = frame[(frame["as_of"] == as_of) & frame["predicted"].notna() & frame["actual"].notna()]
    found: dict[str, Any] = {}
    for (level, crop), rows in frame.groupby(["level", "crop"], sort=False):
        error = rows["predicted"] - rows["actual"]
        scores = {
            "rows": len(rows),
            "rmse": float(np.sqrt((error**2).mean())),
            "rmspe": _finite(100 * np.sqrt(((error / rows["actual"]) ** 2).mean())),
            "bias": float(error.mean()),
        }
        for percent in LEVELS:
            lower, upper = rows[f"lower_{percent}"], rows[f"upper_{percent}"]
            covered = rows["actual"].between(lower, upper).where(lower.notna())
            scores[f"coverage_{percent}"] = _finite(covered.mean())
            scores[f"width_{percent}"] = _finite((upper - lower).mean())
        found.setdefault(str(level), {})[str(crop)] = scores
    return found


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def known_of_units(rows: pd.DataFrame, value: str, ground: Ground) -> pd.DataFrame:
    """A regional value of past seasons in each unit, where enough of its weight is known."""
    means = weighted_means(rows, [value], ["year", "crop"], ground)
    enough = means["share"] + _ROUNDING >= ground.min_share
    return means.loc[enough, ["unit", "year", "crop", value]]


def _errors_of_units(errors: Errors, ground: Ground) -> pd.DataFrame:
    means = weighted_means(errors.frame, ["error"], ["year", "crop", "lead"], ground)
    enough = means["share"] + _ROUNDING >= ground.min_share
    return means[enough]


def _with_intervals(
    found: pd.DataFrame, unit_errors: pd.DataFrame, errors: Errors, ground: Ground
) -> pd.DataFrame:
    """Intervals and chances from the unit's own errors, season by season; a lead without takes another's."""
    names = [f"{end}_{level}" for level in LEVELS for end in ("lower", "upper")]
    found = found.assign(**dict.fromkeys([*names, "chance_below_mean_5"], np.nan))
    half = {level: np.full(len(found), np.nan) for level in LEVELS}
    chance_N = np.full(len(found), np.nan)
    lead_N = errors.leads(found["year"]).to_numpy()
    gap_N1 = (found["mean_5"] - found["predicted"]).to_numpy(np.float64)[:, None]
    wide = unit_errors.set_index(["unit", "crop", "lead", "year"])["error"].unstack("year")
    key = pd.MultiIndex.from_frame(found[["unit", "crop"]])
    for lead in sorted(set(wide.index.get_level_values("lead"))):
        error_NK = wide.xs(lead, level="lead").reindex(key).to_numpy(np.float64)
        seasons_N = np.isfinite(error_NK).sum(axis=1)
        for level in LEVELS:
            half_N = _quantile(np.abs(error_NK), level)
            half[level] = np.where((lead_N >= lead) & np.isfinite(half_N), half_N, half[level])
        enough_N = (lead_N >= lead) & (seasons_N >= seasons_needed(min(LEVELS))) & ~np.isnan(gap_N1[:, 0])
        below_N = of_the_next((error_NK < gap_N1).sum(axis=1), seasons_N)
        chance_N = np.where(enough_N, below_N, chance_N)
    ends = [ground.ranges.get(crop, (-np.inf, np.inf)) for crop in found["crop"]]
    low_N, high_N = np.array(ends).reshape(-1, 2).T
    predicted = found["predicted"]
    for level in LEVELS:
        found[f"lower_{level}"] = np.maximum(predicted - half[level], np.fmin(low_N, predicted))
        found[f"upper_{level}"] = np.minimum(predicted + half[level], np.fmax(high_N, predicted))
    return found.assign(chance_below_mean_5=chance_N)


def _quantile(size_NK: Floats, level: int) -> Floats:
    """`conformal_quantiles` of seasons with one error each, row by row [N]; NaN with too few of them."""
    sorted_NK = np.sort(size_NK, axis=1)
    seasons_N = np.isfinite(sorted_NK).sum(axis=1)
    rank_N = np.ceil(level * (seasons_N + 1) / 100 - 1e-9 * seasons_N).astype(np.int64)
    found_N1 = np.take_along_axis(sorted_NK, np.clip(rank_N, 1, sorted_NK.shape[1])[:, None] - 1, axis=1)
    return np.where(rank_N <= seasons_N, found_N1[:, 0], np.nan)
