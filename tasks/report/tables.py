"""The report's tables and sentences: numbers in order, in their units.

Shapes: N rows, F features, R regions, T terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.contracts.columns import INTERCEPT
from data.contracts.season_table import Floats, SeasonTable
from data.contracts.vocabulary import WEATHER, YIELDS, OutOfScope, Reason, SplitName
from data.contracts.wording import number, span
from data.settings.expand import cutoffs
from data.settings.schema import YEAR, Settings

_ORDER: dict[str, tuple[StrEnum, ...]] = {
    "used": tuple(SplitName),
    "rejected": tuple(Reason),
    "out_of_scope": tuple(OutOfScope),
}
_MISSES = 8


@dataclass(frozen=True, eq=False)
class ReportData:
    """All that the report of one season says; nothing may depend on when, where or by whom a run was made.

    `settings` are those of the season alone. `metrics` is the season's part of metrics.json,
    `predictions`, `evaluation` and `coefficients` (of the full season) are as their contracts. `losses`
    are each cut-off's objective by epoch and `optimum` its exact least value (absent where unknown).
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

    def scored(self, crop: str) -> pd.DataFrame:
        """The predictions of a crop that the headline is about, those with a known yield."""
        table = self.predictions
        wanted = pc.and_(pc.equal(table["as_of"], self.as_of), pc.equal(table["split"], self.split))
        wanted = pc.and_(pc.and_(wanted, pc.equal(table["crop"], crop)), pc.is_valid(table["actual"]))
        rows: pd.DataFrame = table.filter(wanted).to_pandas()
        return rows

    def scores(self, crop: str, by: str) -> pd.DataFrame:
        """Evaluation rows of a crop at the full season, one for each `region` or `year`, all splits."""
        table, other = self.evaluation, "year" if by == "region" else "region"
        wanted = pc.and_(pc.equal(table["as_of"], self.as_of), pc.equal(table["crop"], crop))
        wanted = pc.and_(pc.and_(wanted, pc.is_valid(table[by])), pc.is_null(table[other]))
        rows: pd.DataFrame = table.filter(wanted).to_pandas()
        return rows


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


def misses_by_region(data: ReportData, crop: str) -> list[dict[str, Any]]:
    """The regions with the largest MSE in the headline's split, largest first."""
    rows = data.scores(crop, "region")
    rows = rows[rows["split"] == data.split].sort_values(["mse", "region"], ascending=[False, True])
    return [
        {
            "region": row["region"],
            "rows": int(row["rows"]),
            "rmse": number(row["rmse"]),
            "mae": number(row["mae"]),
            "bias": number(row["bias"], 3),
        }
        for row in rows.head(_MISSES).to_dict("records")
    ]


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


@dataclass(frozen=True, eq=False)
class CropModel:
    """One crop's published model against the data it may have seen.

    `terms` are those whose coefficient all regions share, with the feature's standard deviation
    over harvested rows (of departures from the region's mean, unless the baseline is `none`);
    `regional` are the others' values over known regions. A square is shown about the feature's mean, and
    beside it the feature's slope there, so that both can be read; `squares` maps its name to the feature's.
    """

    terms: tuple[str, ...]
    coefficient_T: Floats
    deviation_T: Floats
    x_NT: Floats
    residual_N: Floats
    regional: Mapping[str, Floats]
    squares: Mapping[str, str]

    @property
    def size_T(self) -> Floats:
        """Change of yield for one standard deviation of each term, in the crop's unit."""
        return self.coefficient_T * self.deviation_T

    @property
    def order(self) -> list[int]:
        """Positions of the terms, the most telling first."""
        return [int(at) for at in np.argsort(-np.abs(self.size_T), kind="stable")]


def crop_model(data: ReportData, crop: str) -> CropModel:
    """Read a crop's coefficients and what they leave of each harvest: yield - published prediction."""
    rows = data.coefficients.filter(pc.equal(data.coefficients["crop"], crop)).to_pandas()
    dataset = data.dataset
    table = dataset.take(np.isfinite(dataset.y_NT[:, dataset.crops.index(crop)]))
    raw = {name: table.x_NF[:, at] for at, name in enumerate(dataset.features)}
    squares = {}
    for feature in dict.fromkeys(rows.loc[rows["power"] == 2, "term"]):
        middle = float(raw[feature].mean()) if len(table) else 0.0
        name = f"({feature} − {number(middle)})²"
        raw[name], squares[name] = (raw[feature] - middle) ** 2, feature
        # q x² = q (x - m)² + 2 q m x - q m²
        of_square = (rows["term"] == feature) & (rows["power"] == 2)
        q = float(rows.loc[of_square, "coefficient"].iloc[0])
        rows.loc[of_square, "term"] = name
        rows.loc[(rows["term"] == feature) & (rows["power"] == 1), "coefficient"] += 2 * q * middle
        rows.loc[rows["term"] == INTERCEPT, "coefficient"] -= q * middle**2
    terms = list(dict.fromkeys(rows["term"]))
    known = rows[rows["region"].notna()].pivot(index="region", columns="term", values="coefficient")[terms]
    pooled = rows[rows["region"].isna()].set_index("term")["coefficient"].reindex(terms)
    y_N = table.y_NT[:, dataset.crops.index(crop)]
    of_region = known.reindex(list(dataset.region_names)).fillna(pooled).to_numpy()
    raw |= {INTERCEPT: np.ones(len(table))} | ({} if YEAR in raw else {YEAR: table.year_N.astype(np.float64)})
    predicted_N = sum(
        (of_region[table.region_N, at] * raw[term] for at, term in enumerate(terms)), np.zeros(len(table))
    )
    values = known.to_numpy() if len(known) else pooled.to_numpy()[None]
    shared = [at for at, term in enumerate(terms) if term != INTERCEPT and np.ptp(values[:, at]) == 0]
    x_NT = np.stack([raw[terms[at]] for at in shared], axis=1) if shared else np.empty((len(table), 0))
    if data.settings.baseline != "none":
        x_NT = x_NT - _region_means(x_NT, table)
    return CropModel(
        tuple(terms[at] for at in shared),
        values[0, shared],
        x_NT.std(axis=0) if len(table) else np.zeros(len(shared)),
        x_NT,
        y_N - predicted_N,
        {term: values[:, at] for at, term in enumerate(terms) if at not in shared},
        squares,
    )


def _region_means(x_NT: Floats, table: SeasonTable) -> Floats:
    R = len(table.region_names)
    rows_R = np.maximum(np.bincount(table.region_N, minlength=R), 1)
    sums = [np.bincount(table.region_N, x_NT[:, at], R) for at in range(x_NT.shape[1])]
    means_RT = np.stack(sums, axis=1) / rows_R[:, None] if sums else np.empty((R, 0))
    return np.asarray(means_RT[table.region_N], dtype=np.float64)


def coefficient_rows(data: ReportData, crop: str, model: CropModel) -> list[dict[str, Any]]:
    """The coefficients that all regions share, with units and size, most telling first."""
    unit = _yield_unit(data, crop)
    largest = float(np.abs(model.size_T).max(initial=0.0)) or 1.0
    return [
        {
            "term": model.terms[at],
            "coefficient": number(model.coefficient_T[at]),
            "unit": f"{unit} per {_per(data, model.terms[at], model.squares)}",
            "size": number(model.size_T[at], 3),
            "share": round(100 * abs(float(model.size_T[at])) / largest, 1),
            "rising": bool(model.size_T[at] >= 0),
        }
        for at in model.order
    ]


def regional_rows(data: ReportData, crop: str, model: CropModel) -> list[dict[str, Any]]:
    """What differs by region: its least, middle and largest value."""
    unit = _yield_unit(data, crop)
    names = {YEAR: "Trend"} | ({INTERCEPT: "Intercept at year 0"} if YEAR in model.regional else {})
    rows = []
    for term, value_R in model.regional.items():
        low, middle, high = (number(value) for value in np.quantile(value_R, (0.0, 0.5, 1.0)))
        of_unit = f"{unit} per {_per(data, term)}" if term != INTERCEPT else unit
        name = names.get(term, term.capitalize() if term == INTERCEPT else term)
        rows.append({"term": name, "low": low, "middle": middle, "high": high, "unit": of_unit})
    return rows


def _yield_unit(data: ReportData, crop: str) -> str:
    return data.crop_units.get(crop) or "yield"


def _per(data: ReportData, term: str, squares: Mapping[str, str] = MappingProxyType({})) -> str:
    if term in squares:
        return f"{_per(data, squares[term])}²"
    return "year" if term == YEAR else data.feature_units.get(term) or "unit"


def ledger_rows(ledger: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The ledger as rows of a table, one column for each input; parts, their sums, and rows in."""
    inputs = [name for name in (WEATHER, YIELDS) if name in ledger]
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
