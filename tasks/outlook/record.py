"""The record: what forecasts said of seasons to come, and how they hold against the harvest, by lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts.columns import OF_REGION, RECORD_COLUMNS, VERIFICATION_COLUMNS, schema_of
from data.contracts.vocabulary import LEVELS
from data.settings.calendar import cutoff_day
from data.settings.schema import Season
from tasks.outlook.aggregates import Ground, known_of_units

_TARGET = ["level", "name", "season", "year", "crop"]
_UNIT = ["level", "name", "year", "crop"]
_NAIVE = ("mean_5", "baseline")
_ROOTS = ("/rmse", "/revision")  # scores that are roots of means of squares


@dataclass(frozen=True, eq=False)
class Issue:
    """A forecast as it was issued: its entry's number and day, its record, which weights it was made with."""

    number: int
    day: str
    record: pd.DataFrame
    weights: str = ""


def record_of(predictions: pa.Table, aggregates: pa.Table, last_season: int, season: Season) -> pa.Table:
    """A forecast's rows for harvest years after the model's last season, as contracts.RECORD_COLUMNS.

    `predictions` and `aggregates` are the forecast's. A function of the forecast alone, with no number and no
    time in it. Sorted by level, name, year and crop.
    """
    regional = predictions.to_pandas().assign(level=OF_REGION)
    regional = regional.rename(columns={"region": "name"})
    larger = aggregates.to_pandas()
    frame = pd.concat([regional, larger[larger["predicted"].notna()]], ignore_index=True)
    frame = frame[frame["year"] > last_season]
    pairs = zip(frame["year"], frame["as_of"], strict=True)
    frame["lead_days"] = [
        (cutoff_day(season, year, season.end) - cutoff_day(season, year, as_of)).days for year, as_of in pairs
    ]
    schema = schema_of(RECORD_COLUMNS)
    order = ["level", "name", "year", "crop", "as_of"]
    frame = frame[schema.names].sort_values(order, na_position="last", ignore_index=True)
    table = pa.Table.from_pandas(frame, schema.remove_metadata(), preserve_index=False)
    return table.replace_schema_metadata(schema.metadata)


def verify_record(
    issues: Iterable[Issue], ground: Ground, vintage: str = "", issued_on: Mapping[str, Ground] | None = None
) -> pa.Table:
    """Each recorded forecast whose yield is known by now with its errors, as contracts.VERIFICATION_COLUMNS.

    `ground` holds the yields of a `vintage`, today's weights and larger units; `issued_on` the same yields
    with those that forecasts were made with, by the weights' name: what came of a larger unit is the mean
    over the regions and weights that its forecast meant. Sorted by what was forecast, then by number; a
    revision is against the last forecast of the same before.
    """
    schema = schema_of(VERIFICATION_COLUMNS)
    parts = [
        each.record.assign(number=each.number, issued=each.day, vintage=vintage, weights=each.weights)
        for each in issues
    ]
    if not any(map(len, parts)):
        return schema.empty_table()
    frame = pd.concat(parts, ignore_index=True).sort_values([*_TARGET, "number"], na_position="last")
    frame["revision"] = frame.groupby(_TARGET, dropna=False, sort=False)["predicted"].diff()
    regional = frame["level"] == OF_REGION
    found = [frame[regional].merge(_of_regions(ground), on=_UNIT)]
    for weights, rows in frame[~regional].groupby("weights"):
        found.append(rows.merge(_of_units((issued_on or {}).get(str(weights), ground)), on=_UNIT))
    found = [rows for rows in found if len(rows)]
    if not found:
        return schema.empty_table()
    frame = pd.concat(found, ignore_index=True).sort_values(
        [*_TARGET, "number"], na_position="last", ignore_index=True
    )
    frame["error"] = frame["predicted"] - frame["actual"]
    for name in _NAIVE:
        frame[f"error_{name}"] = frame[name] - frame["actual"]
    for level in LEVELS:
        low, high = frame[f"lower_{level}"], frame[f"upper_{level}"]
        miss = np.maximum(np.maximum(low - frame["actual"], frame["actual"] - high), 0.0)
        # Gneiting and Raftery 2007, equation 43
        frame[f"interval_score_{level}"] = high - low + 2 / (1 - level / 100) * miss
        frame[f"inside_{level}"] = (miss == 0).astype("boolean").where(low.notna())
    below = np.where(frame["mean_5"].isna(), np.nan, frame["actual"] < frame["mean_5"])
    frame["brier"] = (frame["chance_below_mean_5"] - below) ** 2
    table = pa.Table.from_pandas(frame[schema.names], schema.remove_metadata(), preserve_index=False)
    return table.replace_schema_metadata(schema.metadata)


def summarise_verification(verified: pa.Table) -> dict[str, Any]:
    """Scores for `verification.json`: by level and crop in all, by days before the season's end, by name.

    For each the forecasts held, error, bias, intervals, Brier score of the chance and the usual size of a
    revision; the same errors of mean_5 and of the baseline as they were said on the same day. Regions
    without a label are named "".
    """
    frame = _summands(verified.to_pandas())
    found: dict[str, Any] = {}
    for (level, crop), scores in _scores(frame, []).items():
        found.setdefault(str(level), {})[str(crop)] = {"all": scores, "lead_days": {}, "names": {}}
    for of in ("lead_days", "name"):
        for (level, crop, key), scores in _scores(frame, [of]).items():
            found[str(level)][str(crop)]["names" if of == "name" else of][str(key)] = scores
    return found


def _summands(verified: pd.DataFrame) -> pd.DataFrame:
    """What scores are means of, beside what they are of."""
    found = verified[["level", "crop", "lead_days", "year"]].assign(name=verified["name"].fillna(""))
    for name in ("", *_NAIVE):
        error = verified[f"error_{name}" if name else "error"]
        found[f"{name}/rmse"], found[f"{name}/mae"], found[f"{name}/bias"] = error**2, error.abs(), error
    found["/brier"], found["/revision"] = verified["brier"], verified["revision"] ** 2
    for level in LEVELS:
        found[f"/coverage_{level}"] = verified[f"inside_{level}"].astype("float64")
        found[f"/interval_score_{level}"] = verified[f"interval_score_{level}"]
    return found


def _scores(frame: pd.DataFrame, by: list[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The scores of each level, crop and `by`, in their order; a figure that nothing is known of is None."""
    groups = frame.groupby(["level", "crop", *by], sort=True)
    means = groups[[str(name) for name in frame if "/" in str(name)]].mean()
    for name in means:
        if str(name).endswith(_ROOTS):
            means[name] **= 0.5
    counts = zip(groups.size(), groups["year"].nunique(), strict=True)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for (key, row), (rows, seasons) in zip(means.iterrows(), counts, strict=True):
        scores: dict[str, Any] = {"rows": int(rows), "seasons": int(seasons)} | {name: {} for name in _NAIVE}
        for name, value in row.items():
            of, _, score = str(name).partition("/")
            (scores[of] if of else scores)[score] = float(value) if np.isfinite(value) else None
        found[cast("tuple[Any, ...]", key)] = scores
    return found


def _of_regions(ground: Ground) -> pd.DataFrame:
    """Yields of regions that are known: level, name, year, crop, actual."""
    known = ground.history.rename(columns={"region": "name", "yield": "actual"}).assign(level=OF_REGION)
    return known[[*_UNIT, "actual"]]


def _of_units(ground: Ground) -> pd.DataFrame:
    """Yields of larger units, where enough of their weight is known: level, name, year, crop, actual."""
    known = known_of_units(ground.history, "yield", ground).join(ground.parts.units, on="unit")
    return known.rename(columns={"yield": "actual"})[[*_UNIT, "actual"]]
