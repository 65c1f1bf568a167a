"""The published model of a crop against the data: what a feature does to the yield, in what unit, how much.

Shapes: N harvests, T terms (features whose coefficients all regions share), R regions.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.contracts.columns import INTERCEPT
from data.contracts.season_table import Floats, SeasonTable
from data.contracts.wording import number
from data.settings.schema import YEAR
from tasks.report.tables import ReportData
from tasks.report.terms import term_titles

Coefficients = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, eq=False)
class CropModel:
    """A crop's coefficients, and the harvests they may have learned from.

    `linear_T` and `square_T` are those of x and x². `part_NT` is what each term adds to a harvest, against
    the region's mean unless the baseline is `none`; `raw_NT` the features. `regional` are the coefficients
    that differ by region, over known regions. `residual_N` is yield - published prediction.
    """

    terms: tuple[str, ...]
    linear_T: Floats
    square_T: Floats
    raw_NT: Floats
    part_NT: Floats
    residual_N: Floats
    harvests: pd.DataFrame
    regional: Mapping[str, Floats]

    @functools.cached_property
    def size_T(self) -> Floats:
        """Standard deviation of what each term adds, in the crop's unit, signed like its coefficient."""
        size_T = self.part_NT.std(axis=0) if len(self.part_NT) else np.zeros(len(self.terms))
        return np.where((self.square_T == 0) & (self.linear_T < 0), -size_T, size_T)

    @property
    def order(self) -> list[int]:
        """Positions of the terms, the most telling first."""
        return [int(at) for at in np.argsort(-np.abs(self.size_T), kind="stable")]


@dataclass(frozen=True, eq=False)
class Plane:
    """A model over its two most telling features: rows of region, year, x, y, actual."""

    terms: tuple[str, str]
    coefficients: Coefficients
    level: float
    rows: pd.DataFrame


def crop_model(data: ReportData, crop: str) -> CropModel:
    """Read a crop's coefficients and what they leave of each harvest."""
    rows = data.coefficients.to_pandas()
    rows = rows[rows["crop"] == crop]
    squares = rows[rows["power"] == 2]
    squared = squares.groupby("term")["coefficient"].first().to_dict()  # alike in all regions
    rows = rows.drop(index=squares.index)
    terms = list(dict.fromkeys(rows["term"]))
    known = rows[rows["region"].notna()].pivot(index="region", columns="term", values="coefficient")[terms]
    pooled = rows[rows["region"].isna()].set_index("term")["coefficient"].reindex(terms)
    dataset = data.dataset
    table = dataset.take(np.isfinite(dataset.y_NT[:, dataset.crops.index(crop)]))
    y_N = table.y_NT[:, dataset.crops.index(crop)]
    of_region = known.reindex(list(dataset.region_names)).fillna(pooled).to_numpy()
    raw = {name: table.x_NF[:, at] for at, name in enumerate(dataset.features)}
    raw |= {INTERCEPT: np.ones(len(table))} | ({} if YEAR in raw else {YEAR: table.year_N.astype(np.float64)})
    predicted_N = sum(
        (of_region[table.region_N, at] * raw[term] for at, term in enumerate(terms)), np.zeros(len(table))
    ) + sum(square * raw[term] ** 2 for term, square in squared.items())
    values = known.to_numpy() if len(known) else pooled.to_numpy()[None]
    shared = [at for at, term in enumerate(terms) if term != INTERCEPT and np.ptp(values[:, at]) == 0]
    raw_NT = np.stack([raw[terms[at]] for at in shared], axis=1) if shared else np.empty((len(table), 0))
    linear_T = values[0, shared]
    square_T = np.array([float(squared.get(terms[at], 0.0)) for at in shared])
    part_NT = linear_T * raw_NT + square_T * raw_NT**2
    if data.settings.baseline != "none":
        part_NT = part_NT - _region_means(part_NT, table)
    names = np.asarray(dataset.region_names, dtype=object)
    return CropModel(
        tuple(terms[at] for at in shared),
        linear_T,
        square_T,
        raw_NT,
        part_NT,
        y_N - predicted_N,
        pd.DataFrame({"region": names[table.region_N], "year": table.year_N, "actual": y_N}),
        {term: values[:, at] for at, term in enumerate(terms) if at not in shared},
    )


def _region_means(x_NT: Floats, table: SeasonTable) -> Floats:
    means = pd.DataFrame(x_NT).groupby(table.region_N).transform("mean")
    return np.asarray(means.to_numpy(), dtype=np.float64)


def plane(data: ReportData, model: CropModel) -> Plane | None:
    """The model over its two most telling features; None where fewer than two tell anything.

    The level makes it pass through the mean of what the model says under the baseline `none`, the other
    features at their means, and through 0 otherwise: then it tells departures from the mean weather's yield.
    """
    found = [at for at in model.order if model.size_T[at] != 0][:2]
    if len(found) < 2 or not len(model.residual_N):
        return None
    first, second = found
    linear, square, x_N2 = model.linear_T[found], model.square_T[found], model.raw_NT[:, found]
    level = -float((linear * x_N2 + square * x_N2**2).sum(axis=1).mean())
    if data.settings.baseline == "none":
        level += float(np.mean(model.harvests["actual"] - model.residual_N))
    return Plane(
        (model.terms[first], model.terms[second]),
        ((float(linear[0]), float(square[0])), (float(linear[1]), float(square[1]))),
        level,
        model.harvests.assign(x=x_N2[:, 0], y=x_N2[:, 1]),
    )


def labels(data: ReportData) -> dict[str, str]:
    """Each feature as people call it, with its unit: "rainfall in June, mm"."""
    titles = term_titles(data.settings)
    units = data.feature_units
    return {
        name: f"{titles.get(name, name)}, {units[name]}" if units.get(name) else titles.get(name, name)
        for name in (*titles, *data.dataset.features)
    }


def coefficient_rows(data: ReportData, crop: str, model: CropModel) -> list[dict[str, Any]]:
    """The coefficients that all regions share, with units and size, most telling first."""
    unit = _yield_unit(data, crop)
    titles = term_titles(data.settings)
    largest = float(np.abs(model.size_T).max(initial=0.0)) or 1.0
    return [
        {
            "term": model.terms[at],
            "title": titles.get(model.terms[at], model.terms[at]),
            "coefficient": _polynomial(model.linear_T[at], model.square_T[at]),
            "unit": f"{unit} per {_per(data, model.terms[at])}",
            "size": number(model.size_T[at], 3),
            "share": round(100 * abs(float(model.size_T[at])) / largest, 1),
            "rising": bool(model.size_T[at] >= 0),
        }
        for at in model.order
    ]


def _polynomial(linear: float, square: float) -> str:
    return (
        f"{number(linear)} x {'+' if square > 0 else '−'} {number(abs(square))} x²"
        if square
        else number(linear)
    )


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


def _per(data: ReportData, term: str) -> str:
    return "year" if term == YEAR else data.feature_units.get(term) or "unit"
