"""The record: what forecasts said of seasons to come, and how they hold against the harvest, by lead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts.columns import OF_REGION, RECORD_COLUMNS, VERIFICATION_COLUMNS, schema_of
from data.contracts.vocabulary import LEVELS
from data.settings.calendar import cutoff_day
from data.settings.schema import Season
from tasks.outlook.aggregates import Ground, known_of_units

_TARGET = ["level", "name", "season", "year", "crop"]


@dataclass(frozen=True, eq=False)
class Issue:
    """A forecast as it was issued: its entry's number and day, and its record."""

    number: int
    day: str
    record: pd.DataFrame


def record_of(predictions: pa.Table, aggregates: pa.Table, last_season: int, season: Season) -> pa.Table:
    """A forecast's rows for harvest years after the model's last season, as contracts.RECORD_COLUMNS.

    `predictions` and `aggregates` are the forecast's; columns that an older one lacks are null. A function of
    the forecast alone, with no number and no time in it. Sorted by level, name, year and crop.
    """
    regional = predictions.to_pandas().assign(level=OF_REGION)
    regional = regional.rename(columns={"region": "name"})
    larger = aggregates.to_pandas()
    frame = pd.concat([regional, larger[larger["predicted"].notna()]], ignore_index=True)
    frame = frame[frame["year"] > last_season]
    frame["season"] = frame["season"].fillna("main") if "season" in frame else "main"
    pairs = zip(frame["year"], frame["as_of"], strict=True)
    frame["lead_days"] = [
        (cutoff_day(season, year, season.end) - cutoff_day(season, year, as_of)).days for year, as_of in pairs
    ]
    schema = schema_of(RECORD_COLUMNS)
    order = ["level", "name", "year", "crop", "as_of"]
    frame = frame.reindex(columns=schema.names).sort_values(order, na_position="last", ignore_index=True)
    table = pa.Table.from_pandas(frame, schema.remove_metadata(), preserve_index=False)
    return table.replace_schema_metadata(schema.metadata)


def verify_record(issues: Iterable[Issue], ground: Ground, vintage: str = "") -> pa.Table:
    """Each recorded forecast whose yield is known by now with its errors, as contracts.VERIFICATION_COLUMNS.

    `ground` holds the yields of a `vintage`, the weights of regions and the larger units. Sorted by what was
    forecast, then by number; a revision is against the last forecast of the same before.
    """
    schema = schema_of(VERIFICATION_COLUMNS)
    parts = [issue.record.assign(number=issue.number, issued=issue.day, vintage=vintage) for issue in issues]
    if not any(map(len, parts)):
        return schema.empty_table()
    frame = pd.concat(parts, ignore_index=True).sort_values([*_TARGET, "number"], na_position="last")
    frame["revision"] = frame.groupby(_TARGET, dropna=False, sort=False)["predicted"].diff()
    frame = frame.merge(_actuals(ground), on=["level", "name", "year", "crop"])
    frame["error"] = frame["predicted"] - frame["actual"]
    for name in ("mean_5", "baseline"):
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
    """Scores for `verification.json`: by level, crop and days before the season's end.

    For each the forecasts held, error, bias, intervals, Brier score of the chance and the usual size of a
    revision; the same errors of mean_5 and of the baseline as they were said on the same day.
    """
    frame = verified.to_pandas()
    found: dict[str, Any] = {}
    for (level, crop), rows in frame.groupby(["level", "crop"], sort=True):
        by_lead = {str(lead): _scores(of) for lead, of in rows.groupby("lead_days", sort=True)}
        found.setdefault(str(level), {})[str(crop)] = {"all": _scores(rows), "lead_days": by_lead}
    return found


def _scores(rows: pd.DataFrame) -> dict[str, Any]:
    scores: dict[str, Any] = {
        "rows": len(rows),
        "seasons": int(rows["year"].nunique()),
        **_errors(rows["error"]),
        "mean_5": _errors(rows["error_mean_5"]),
        "baseline": _errors(rows["error_baseline"]),
        "brier": _mean(rows["brier"]),
        "revision": _root(rows["revision"]),
    }
    for level in LEVELS:
        scores[f"coverage_{level}"] = _mean(rows[f"inside_{level}"].astype("float64"))
        scores[f"interval_score_{level}"] = _mean(rows[f"interval_score_{level}"])
    return scores


def _errors(error: pd.Series[float]) -> dict[str, float | None]:
    return {"rmse": _root(error), "mae": _mean(error.abs()), "bias": _mean(error)}


def _mean(values: pd.Series[float]) -> float | None:
    mean = values.mean()
    return float(mean) if np.isfinite(mean) else None


def _root(values: pd.Series[float]) -> float | None:
    mean = _mean(values**2)
    return None if mean is None else float(np.sqrt(mean))


def _actuals(ground: Ground) -> pd.DataFrame:
    """Yields that are known, of regions and of larger units: level, name, year, crop, actual."""
    regional = ground.history.rename(columns={"region": "name", "yield": "actual"}).assign(level=OF_REGION)
    larger = known_of_units(ground.history, "yield", ground).join(ground.parts.units, on="unit")
    larger = larger.rename(columns={"yield": "actual"})
    columns = ["level", "name", "year", "crop", "actual"]
    return pd.concat([regional[columns], larger[columns]], ignore_index=True)
