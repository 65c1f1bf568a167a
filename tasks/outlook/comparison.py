"""What changed from one forecast to another: how much came of new weather, a new model, revised yields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.contracts.columns import CONSTANT
from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import SplitName
from tasks.model.model import Model

_KEY = ["region", "year", "crop"]
PARTS = ("from_weather", "from_model", "from_yields")


@dataclass(frozen=True, eq=False)
class Told:
    """A forecast as it was published: one row for each region, year and crop, and its drivers."""

    predictions: pd.DataFrame
    drivers: pd.DataFrame

    @classmethod
    def latest(cls, predictions: pd.DataFrame, drivers: pd.DataFrame, days: Sequence[str]) -> Told:
        """Of several cut-offs the latest that there is; `days` lists them, earliest first."""
        order = predictions["as_of"].map({day: at for at, day in enumerate(days)})
        newest = predictions.assign(at=order).sort_values("at", kind="stable")
        chosen = newest.drop_duplicates(_KEY, keep="last").drop(columns="at").sort_values(_KEY)
        return cls(chosen.reset_index(drop=True), drivers)


def compare(before: Told, after: Told, old_model: Callable[[str], Model], same_yields: bool) -> pd.DataFrame:
    """The difference of each prediction that both have, in parts that add up to it.

    `old_model` gives the model that the forecast before would have used at a cut-off. from_weather: that
    model with the weather since, a later cut-off included; from_model: what another model makes of the same
    weather; from_yields: the baseline, drawn anew through revised and new yields, nothing where both models
    learned from the same yields (`same_yields`). Columns: region, year, crop, unit, before, after,
    difference, the parts, as_of_before, as_of.
    """
    columns = [*_KEY, "as_of", "predicted", "baseline"]
    both = before.predictions[columns].merge(
        after.predictions[[*columns, "unit"]], on=_KEY, suffixes=("_before", "")
    )
    both[["carried", "carried_baseline"]] = np.nan
    for as_of, rows in both.groupby("as_of"):
        carried = _carried(old_model(str(as_of)), after.drivers, rows)
        both.loc[rows.index, ["carried", "carried_baseline"]] = carried
    both["difference"] = both["predicted"] - both["predicted_before"]
    both["from_weather"] = both["carried"] - both["predicted_before"]
    both["from_yields"] = 0.0 if same_yields else both["baseline"] - both["carried_baseline"]
    both["from_model"] = both["predicted"] - both["carried"] - both["from_yields"]
    both = both.rename(columns={"predicted_before": "before", "predicted": "after"})
    return both[[*_KEY, "unit", "before", "after", "difference", *PARTS, "as_of_before", "as_of"]]


def compare_units(regions: pd.DataFrame, weights: pd.DataFrame) -> pd.DataFrame:
    """The same for larger units, over the regions that both forecasts have: level, name, year, crop, ….

    `weights` is laid out as contracts.WEIGHT_COLUMNS; both sides are weighed alike, so that the parts add up.
    """
    values = ["before", "after", "difference", *PARTS]
    rows = regions.merge(weights, on=_KEY)
    by = ["level", "name", "year", "crop"]
    total = (
        rows[[*values]].mul(rows["weight"], axis=0).groupby([rows[name] for name in by], dropna=False).sum()
    )
    weight = rows.groupby(by, dropna=False)["weight"].sum()
    return total.div(weight.where(weight > 0), axis=0).reset_index()


def _carried(model: Model, drivers: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    """What a model predicts, and its baseline [E, 2], of the weather that the drivers of some rows tell."""
    as_of = rows["as_of"].iloc[0]
    known = drivers[(drivers["as_of"] == as_of) & (drivers["term"] != CONSTANT)]
    known = known.drop_duplicates(["region", "year", "term"])
    wide = known.pivot(index=["region", "year"], columns="term", values="value")
    wide = wide.loc[pd.MultiIndex.from_frame(rows[["region", "year"]].drop_duplicates())].sort_index()
    names, years = wide.index.get_level_values("region"), wide.index.get_level_values("year")
    code_N, regions = pd.factorize(names, sort=True)
    table = SeasonTable(
        tuple(regions), np.asarray(code_N, np.int64), years.to_numpy(np.int64),
        np.full(len(wide), str(SplitName.FORECAST)),
        model.features, wide[list(model.features)].to_numpy(np.float64), model.crops,
        np.full((len(wide), len(model.crops)), np.nan),
    )  # fmt: skip
    said_2NT = np.stack((model.predict(table), model.baseline_of(table)))
    row_E = wide.index.get_indexer(pd.MultiIndex.from_frame(rows[["region", "year"]]))
    crop_E = pd.Index(model.crops).get_indexer(pd.Index(rows["crop"]))
    return np.where(crop_E[:, None] >= 0, said_2NT[:, row_E, crop_E].T, np.nan)


def totals(regions: pd.DataFrame) -> list[dict[str, Any]]:
    """Means over regions for people: by season and crop, with the parts of the difference."""
    means = regions.groupby(["year", "crop"])[["before", "after", "difference", *PARTS]].mean()
    counts = regions.groupby(["year", "crop"]).size().rename("regions")
    return [{str(key): value for key, value in row.items()} for row in _records(means.join(counts))]


def _records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.reset_index().to_dict("records")
