"""Why a forecast is what it is: one sentence, its drivers by size, the past seasons most like it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd

from data.contracts.columns import CONSTANT
from data.contracts.wording import number
from data.settings.expand import FeatureSpec

_BASELINES = {"trend": "its trend", "mean": "its mean", "none": "the training mean"}


def describe_terms(specs: Mapping[str, Sequence[FeatureSpec]], baseline: str, season: str) -> dict[str, str]:
    """What `explain` needs to know of the features at each cut-off, for the metadata of `drivers.parquet`."""
    found = {"baseline": baseline}
    for as_of, spec in ((as_of, spec) for as_of, each in specs.items() for spec in each):
        days = [f"{month:02d}-{day:02d}" for month, day in (spec.days[0], spec.days[-1])] if spec.days else []
        found[_key(season, as_of, spec.name)] = json.dumps(
            {
                "measure": spec.measure, "aggregate": spec.aggregate, "days": days,
                "months": len({month for month, _ in spec.days}), "threshold": spec.threshold,
            },
            ensure_ascii=False,
        )  # fmt: skip
    return found


def _key(season: str, as_of: str, term: str) -> str:
    return f"term:{season}:{as_of}:{term}"


def explain(
    said: Mapping[str, Any], drivers: pd.DataFrame, metadata: Mapping[str, str], titles: Mapping[str, str]
) -> dict[str, Any]:
    """One forecast as a sentence and its terms, those that matter most first.

    `said` is a row of predictions, `drivers` its rows of `drivers.parquet`, `metadata` that file's; `titles`
    are features as people call them, by their names.
    """
    ordered = drivers.assign(size=drivers["contribution"].abs()).sort_values("size", ascending=False)
    terms = [
        {
            "term": row["term"],
            "title": titles.get(row["term"], row["term"]),
            "words": _words(row, metadata),
            "unit": metadata.get(f"unit:{row['season']}:{row['term']}", ""),
            **{key: _known(row[key]) for key in ("value", "usual", "departure", "contribution")},
        }
        for row in ordered.to_dict("records")
    ]
    of = _BASELINES[metadata.get("baseline", "trend")]
    return {"sentence": _sentence(said, terms, of), "baseline_of": of, "terms": terms}


def _sentence(said: Mapping[str, Any], terms: list[dict[str, Any]], baseline: str) -> str:
    departure = said["predicted"] - said["baseline"]
    unit = f" {said['unit']}" if said["unit"] else ""
    start = f"{said['crop']} in {said['region']}, {said['year']}: {number(said['predicted'], 3)}{unit}"
    # of the parts that pull the same way the largest
    mostly = next((each for each in terms if each["words"] and each["contribution"] * departure > 0), None)
    if mostly is None:
        return f"{start}, at {baseline}"
    side = "above" if departure > 0 else "below"
    beside = f" {mostly['unit']}".rstrip()
    seen = f"{number(mostly['value'], 3)}{beside} where {number(mostly['usual'], 3)}{beside} is usual"
    why = f"mostly {mostly['words']}: {seen} ({_signed(mostly['contribution'])}{unit})"
    return f"{start}, {number(abs(departure), 2)}{unit} {side} {baseline}, {why}"


def _words(row: Mapping[Any, Any], metadata: Mapping[str, str]) -> str:
    """A term's departure in words: `too dry in May`; empty for what isn't weather."""
    described = metadata.get(_key(row["season"], row["as_of"], row["term"]))
    if row["term"] == CONSTANT or described is None or pd.isna(row["departure"]):
        return ""
    spec = json.loads(described)
    if not spec["days"]:
        return ""
    high = row["departure"] > 0
    too = "too " if row["contribution"] < 0 else ""
    return f"{too}{_adjective(spec, high)} {_when(spec)}"


def _adjective(spec: Mapping[str, Any], high: bool) -> str:
    measure = str(spec["measure"])
    if spec["aggregate"] in ("days_above", "days_below"):
        beyond = str(spec["aggregate"]).removeprefix("days_")
        return f"{'many' if high else 'few'} days of {measure} {beyond} {spec['threshold']:g}"
    if spec["aggregate"] != "std":
        if re.search("rain|^prec|^prcp|^ppt", measure.lower()):
            return "wet" if high else "dry"
        if re.search("temp|^t_?(mean|avg|min|max)", measure.lower()):
            return "warm" if high else "cold"
    return f"{'high' if high else 'low'} {measure.replace('_', ' ')}"


def _when(spec: Mapping[str, Any]) -> str:
    first, last = spec["days"]
    if spec["months"] == 1:
        return f"in {date.fromisoformat(f'2000-{first}'):%B}"
    return f"from {first} to {last}"


def _known(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{number(value, 2)}"
