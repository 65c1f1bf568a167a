"""The report's tables and sentences: numbers in order, in their units."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import (
    MATCHED,
    NAIVE_BASELINES,
    OutOfScope,
    Reason,
    SplitName,
    best_baseline,
)
from data.contracts.wording import ABSENT, number, percent, span
from data.settings.expand import cutoffs
from data.settings.schema import Settings

_ORDER: dict[str, tuple[str, ...]] = {
    "used": (*SplitName, MATCHED),
    "rejected": tuple(Reason),
    "out_of_scope": tuple(OutOfScope),
}
PREDICTED = (
    "region", "year", "crop", "split", "predicted", "actual", "lower_80", "upper_80", "lower_95", "upper_95",
)  # fmt: skip
"""The columns of predictions.parquet that the report shows, beside season and cut-off."""
_MISSES = 8
_LEAST_SEASONS, _DRAWS = 3, 2000
_HISTORY = tuple(str(split) for split in SplitName if split != SplitName.FORECAST)


@dataclass(frozen=True, eq=False)
class ReportData:
    """All that the report of one season says; nothing may depend on when, where or by whom a run was made.

    `settings` are those of the season alone. `metrics` is the season's part of metrics.json,
    `predictions` (PREDICTED and `as_of` suffice), `evaluation` and `coefficients` (of the full season) are
    as their contracts. `losses` are each cut-off's objective by epoch and `optimum` its exact least value
    (absent where unknown).
    `ledger` is {input: {"rows_in": n, "used": {split: n}, "rejected": {reason: n}, "out_of_scope":
    {reason: n}}}. `dataset` holds raw features and yields of all region-seasons. `inputs` are {"name",
    "size", "sha256"} of each file.
    """

    run_id: str
    season: str
    settings: Settings
    metrics: Mapping[str, Any]
    predictions: pa.Table
    evaluation: pa.Table
    losses: Mapping[str, Sequence[float]]
    optimum: Mapping[str, float]
    coefficients: pa.Table
    ledger: Mapping[str, Mapping[str, Any]]
    dataset: SeasonTable
    crop_units: Mapping[str, str | None]
    feature_units: Mapping[str, str]
    inputs: Sequence[Mapping[str, Any]]
    versions: Mapping[str, str]
    notes: Sequence[str] = ()

    @property
    def as_of(self) -> str:
        """The full season's cut-off."""
        return self.settings.season.end

    @property
    def cutoffs(self) -> list[str]:
        """Every cut-off that was scored, in the order of the season."""
        return [day for day in cutoffs(self.settings) if day in self.metrics["as_of"]]

    @property
    def split(self) -> str:
        """The split whose figures the headline gives: the test, or the next best that has rows."""
        splits = self.metrics["as_of"][self.as_of]["splits"]
        order = (SplitName.TEST, SplitName.VALIDATION, SplitName.TRAIN)
        return str(next((name for name in order if name in splits), SplitName.TRAIN))

    @property
    def headline(self) -> Mapping[str, Any]:
        """The headline's part of the metrics: {"rows", "pooled", "crops"}; empty where nothing was scored."""
        splits = self.metrics["as_of"][self.as_of]["splits"]
        return dict(splits.get(self.split, {"rows": 0, "pooled": {}, "crops": {}}))

    @functools.cached_property
    def full_season(self) -> pd.DataFrame:
        """The predictions of the full season."""
        rows = self.predictions.filter(pc.equal(self.predictions["as_of"], self.as_of))
        found: pd.DataFrame = rows.select(PREDICTED).to_pandas()
        return found

    @functools.cached_property
    def _scores(self) -> pd.DataFrame:
        found: pd.DataFrame = self.evaluation.filter(pc.is_valid(self.evaluation["crop"])).to_pandas()
        return found

    def scored(self, crop: str) -> pd.DataFrame:
        """The predictions of a crop that the headline is about, those with a known yield."""
        rows = self.full_season
        return rows[(rows["crop"] == crop) & (rows["split"] == self.split) & rows["actual"].notna()]

    def scores(self, crop: str, by: str, as_of: str | None = None) -> pd.DataFrame:
        """Evaluation rows of a crop at a cut-off, one for each `region` or `year`, all splits."""
        rows, other = self._scores, "year" if by == "region" else "region"
        wanted = (rows["as_of"] == (as_of or self.as_of)) & (rows["crop"] == crop)
        return rows[wanted & rows[by].notna() & rows[other].isna()]


def squared(unit: str | None) -> str:
    """The unit of a squared error."""
    return f"({unit})²" if unit else ""


def seasons_of(data: ReportData) -> str:
    """The harvest years that the headline is about, as text."""
    years = data.dataset.year_N[data.dataset.split_N == data.split]
    if not len(years):
        return "no seasons"
    first, last = int(years.min()), int(years.max())
    return str(first) if first == last else f"{first}–{last}"


def cards(data: ReportData) -> list[dict[str, Any]]:
    """The headline's figures of each crop, its best naive baseline, and what they come to.

    `verdict` is a gain or a loss where the 95 % interval of the skill lies wholly on one side of 0 (without
    an interval: where the skill does), else open; `biased` where the bias's interval leaves out 0.
    """
    found = []
    for crop, figures in data.headline["crops"].items():
        skill, interval = figures.get("skill"), figures.get("skill_interval_95")
        low, high = interval or (skill, skill)
        verdict = "open" if skill is None else "gain" if low > 0 else "loss" if high < 0 else "open"
        of_bias = bias_interval(data.scored(crop))
        found.append(
            {
                **figures,
                "crop": crop,
                "unit": data.crop_units.get(crop),
                "best": best_baseline(figures.get("baselines") or {})[0],
                "baselines": figures.get("baselines") or {},
                "interval": interval,
                "verdict": verdict,
                "bias_interval": of_bias,
                "biased": of_bias is not None and (of_bias[0] > 0 or of_bias[1] < 0),
            }
        )
    return found


def bias_interval(rows: pd.DataFrame) -> tuple[float, float] | None:
    """95 % percentile bootstrap over whole seasons of mean predicted - actual; None below three."""
    seasons = (rows["predicted"] - rows["actual"]).groupby(rows["year"]).agg(["sum", "size"])
    if len(seasons) < _LEAST_SEASONS:
        return None
    rng = np.random.default_rng(0)  # the same rows always have the same interval
    drawn = rng.integers(len(seasons), size=(_DRAWS, len(seasons)))
    sums, sizes = (seasons[name].to_numpy(dtype=np.float64)[drawn].sum(axis=1) for name in ("sum", "size"))
    low, high = np.quantile(sums / sizes, (0.025, 0.975))
    return float(low), float(high)


def checks(data: ReportData) -> list[dict[str, str]]:
    """The values that the gate looks at, by crop; its thresholds and verdicts are no part of a run."""
    splits = data.metrics["as_of"][data.as_of]["splits"]
    r2 = {
        split: {crop: found.get("r2") for crop, found in splits.get(split, {"crops": {}})["crops"].items()}
        for split in (SplitName.TRAIN, SplitName.TEST)
    }
    breaks = data.metrics.get("breaks", {})
    return [
        {
            "crop": card["crop"],
            "skill": percent(card.get("skill")),
            "interval": span(card["interval"][0], card["interval"][1], percent)
            if card["interval"]
            else ABSENT,
            "over": NAIVE_BASELINES.get(card["best"] or "", ABSENT),
            "training": number(r2[SplitName.TRAIN].get(card["crop"]), 3),
            "test": number(r2[SplitName.TEST].get(card["crop"]), 3),
            "break": f"× {number(found['factor'], 3)} from {found['year']} on"
            if (found := breaks.get(card["crop"]))
            else "none",
        }
        for card in cards(data)
    ]


def region_rows(data: ReportData, crop: str) -> list[dict[str, Any]]:
    """Scores of every region in the headline's split, the largest MSE first, with earlier cut-offs' RMSE."""
    rows = data.scores(crop, "region")
    rows = rows[rows["split"] == data.split].sort_values(["mse", "region"], ascending=[False, True])
    earlier = {
        day: found[found["split"] == data.split].set_index("region")["rmse"]
        for day in data.cutoffs[:-1]
        for found in [data.scores(crop, "region", day)]
    }
    by_day = pd.DataFrame(earlier).reindex(rows["region"]).to_numpy(dtype=np.float64)
    return [
        {
            "region": row["region"],
            "rows": int(row["rows"]),
            "rmse": number(row["rmse"]),
            "mae": number(row["mae"]),
            "bias": number(row["bias"], 3),
            "skill": percent(row["skill"]),
            "earlier": [number(value) for value in days],
        }
        for row, days in zip(rows.to_dict("records"), by_day, strict=True)
    ]


def history(data: ReportData, crop: str) -> pd.DataFrame:
    """Yields by region and year: region, year, actual; what was predicted where nothing trained."""
    rows = data.full_season
    rows = rows[(rows["crop"] == crop) & rows["split"].isin(_HISTORY)]
    said = rows["split"] != str(SplitName.TRAIN)
    return pd.DataFrame(  # in the order of predictions, which is this one
        {
            "region": rows["region"],
            "year": rows["year"].astype(np.int64),
            "actual": rows["actual"],
            "predicted": rows["predicted"].where(said),
            "lower": rows["lower_80"].where(said),
            "upper": rows["upper_80"].where(said),
        }
    )


def largest_misses(data: ReportData, crop: str) -> list[dict[str, Any]]:
    """The region-seasons of the headline's split that the model missed by most."""
    rows = data.scored(crop)
    rows = rows.assign(error=rows["predicted"] - rows["actual"])
    rows = rows.assign(size=rows["error"].abs()).sort_values(
        ["size", "region", "year"], ascending=[False, True, True]
    )
    return [
        {
            "region": row["region"],
            "year": int(row["year"]),
            "actual": number(row["actual"]),
            "predicted": number(row["predicted"]),
            "interval": span(row["lower_95"], row["upper_95"]),
            "error": number(row["error"], 3),
        }
        for row in rows.head(_MISSES).to_dict("records")
    ]


def ledger_rows(ledger: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The ledger as rows of a table, one column for each input; parts, their sums, and rows in."""
    inputs = list(ledger)
    rows: list[dict[str, Any]] = []
    total = dict.fromkeys(inputs, 0)
    for part, title in (("used", "used"), ("rejected", "rejected"), ("out_of_scope", "out of scope")):
        found = {reason for name in inputs for reason in ledger[name][part]}
        reasons = [str(reason) for reason in _ORDER[part] if reason in found]
        sums = {name: sum(ledger[name][part].values()) for name in inputs}
        rows.append({"kind": "part", "title": title, "counts": [f"{sums[name]:,}" for name in inputs]})
        for reason in reasons:
            counts = [ledger[name][part].get(reason, 0) for name in inputs]
            rows.append(
                {
                    "kind": "reason",
                    "title": reason,
                    "counts": [f"{count:,}" if count else "" for count in counts],
                }
            )
        total = {name: total[name] + sums[name] for name in inputs}
    rows.append(
        {"kind": "sum", "title": "sum of the three", "counts": [f"{total[name]:,}" for name in inputs]}
    )
    rows.append(
        {"kind": "sum", "title": "rows in", "counts": [f"{ledger[name]['rows_in']:,}" for name in inputs]}
    )
    return rows
