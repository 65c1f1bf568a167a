"""The report of a run: its charts as data, and the one self-contained page that shows them.

A pure function of a run's data: no times, hosts, paths or gate decisions, so that the same run
makes the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from data.contracts.vocabulary import LEVELS, NAIVE_BASELINES, SplitName, best_baseline
from tasks.job.identity import run_settings
from tasks.report import frame, response, tables
from tasks.report.charts import scores
from tasks.report.charts.chart import Chart
from tasks.report.charts.response import curve, heat_map, response_curves
from tasks.report.response import CropModel
from tasks.report.tables import ReportData

EXCESS, SKILL = "excess", "skill-by-cutoff"
PREDICTED_ACTUAL, BY_SEASON, HEAT_MAP, RESPONSES, HISTORY = (
    "predicted-actual", "error-by-season", "heat-map", "responses", "history",
)  # fmt: skip
_MOST_CURVES = 12


def render_report(data: ReportData) -> str:
    """The page as HTML."""
    models = {crop: response.crop_model(data, crop) for crop in data.headline["crops"]}
    crops = slugs(data)
    parts = [_crop(data, crop, slug, models[crop]) for crop, slug in crops.items()]
    return frame.render(
        "report.html",
        charts_of(data, models),
        {"region": next((part["regions"][0]["region"] for part in parts if part["regions"]), None)},
        data=data,
        seasons=tables.seasons_of(data),
        shape=_shape(data),
        cards=tables.cards(data),
        checks=tables.checks(data),
        pooled=data.headline["pooled"],
        cutoffs=_cutoffs(data),
        crops=parts,
        excess=data.metrics["as_of"][data.as_of].get("excess") or {},
        ledger=tables.ledger_rows(data.ledger),
        ledger_inputs=list(data.ledger),
        settings=run_settings(data.settings),
        baseline_names=NAIVE_BASELINES,
        judged=data.split != SplitName.TRAIN,
        split_name="training" if data.split == SplitName.TRAIN else data.split,
        history_caption="What the chosen region harvested (grey), and what was predicted with its 80 % "
        "interval (orange) for seasons that trained nothing.",
    )


def charts_of(data: ReportData, models: Mapping[str, CropModel]) -> dict[str, Chart]:
    """Every chart of the report by the name that the page gives it."""
    found = artifact_charts(data)
    skill = _skill_by_cutoff(data)
    if len(skill):
        found[SKILL] = scores.skill_by_cutoff(skill)
    for crop, slug in slugs(data).items():
        unit = data.crop_units.get(crop)
        seasons = _seasons(data, crop)
        if len(seasons) > 1:
            best = NAIVE_BASELINES[_best(data, crop)]
            name = f"{BY_SEASON}-{slug}"
            found[name] = scores.error_by_season(name, seasons, best, crop, unit)
        found |= _model_charts(data, crop, slug, models[crop])
        history = tables.history(data, crop)
        if len(history):
            found[f"{HISTORY}-{slug}"] = scores.region_history(f"{HISTORY}-{slug}", history, crop, unit)
    return found


def artifact_charts(data: ReportData) -> dict[str, Chart]:
    """The charts that Prefect's artifacts show too: the way to the optimum, predicted against actual."""
    found: dict[str, Chart] = {}
    excess = _excess(data)
    if (excess["excess"] > 0).any():
        found[EXCESS] = scores.excess_curve(excess)
    for crop, name in clouds(data).items():
        rows = data.scored(crop)
        if len(rows):
            found[name] = scores.predicted_actual(name, rows, crop, data.crop_units.get(crop))
    return found


def clouds(data: ReportData) -> dict[str, str]:
    """The name of each crop's chart of predicted against actual."""
    return {crop: f"{PREDICTED_ACTUAL}-{slug}" for crop, slug in slugs(data).items()}


def slugs(data: ReportData) -> dict[str, str]:
    """A file-name part for each scored crop; crops whose letters a file name can't hold get numbers."""
    found: dict[str, str] = {}
    for at, crop in enumerate(data.headline["crops"], start=1):
        slug = re.sub(r"[^a-z0-9]+", "-", crop.lower()).strip("-")[:40]
        found[crop] = slug if slug and slug not in found.values() else f"{slug or 'crop'}-{at}"
    return found


def _excess(data: ReportData) -> pd.DataFrame:
    """Excess of the evaluated fit over its last round's optimum: each epoch's, at last the certificate's."""
    parts = []
    for as_of, losses in data.losses.items():
        best = data.optimum.get(as_of)
        if not best or best <= 0 or not len(losses):
            continue
        excess = np.asarray(losses, dtype=np.float64) / best - 1
        last = (data.metrics["as_of"].get(as_of, {}).get("excess") or {}).get("evaluation")
        epochs = list(range(1, len(excess) + 1))
        if last is not None:
            epochs.append(len(excess) + 1)
            excess = np.append(excess, last)
        parts.append(pd.DataFrame({"as_of": as_of, "epoch": epochs, "excess": excess}))
    return (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame({"as_of": [], "epoch": [], "excess": []})
    )


def _shape(data: ReportData) -> dict[str, Any]:
    years = data.dataset.year_N
    return {
        "regions": len(data.dataset.region_names),
        "rows": len(data.dataset),
        "first": int(years.min()) if len(years) else None,
        "last": int(years.max()) if len(years) else None,
    }


def _cutoffs(data: ReportData) -> list[dict[str, Any]]:
    """Skill and RMSE of each crop at each cut-off; nothing where the full season is the only one."""
    if len(data.cutoffs) < 2:
        return []
    rows = []
    for as_of in data.cutoffs:
        crops = data.metrics["as_of"][as_of]["splits"].get(data.split, {"crops": {}})["crops"]
        rows.append({"as_of": as_of, "crops": [crops.get(crop, {}) for crop in data.headline["crops"]]})
    return rows


def _skill_by_cutoff(data: ReportData) -> pd.DataFrame:
    rows = [
        {"as_of": row["as_of"], "crop": crop, "skill": figures.get("skill")}
        for row in _cutoffs(data)
        for crop, figures in zip(data.headline["crops"], row["crops"], strict=True)
    ]
    return pd.DataFrame(rows, columns=["as_of", "crop", "skill"]).dropna(ignore_index=True)


def _best(data: ReportData, crop: str) -> str:
    return best_baseline(data.headline["crops"][crop].get("baselines") or {})[0] or "region_trend"


def _seasons(data: ReportData, crop: str) -> pd.DataFrame:
    """RMSE of each season, of the model and of the headline's best naive forecast."""
    rows = data.scores(crop, "year").sort_values("year")
    best = _best(data, crop)
    return pd.DataFrame(
        {
            "year": rows["year"].astype(np.int64),
            "rmse": rows["rmse"],
            "naive": np.sqrt(rows[f"mse_{best}"].astype(np.float64)),
            "trained": rows["split"] == str(SplitName.TRAIN),
        }
    )


def _model_charts(data: ReportData, crop: str, slug: str, model: CropModel) -> dict[str, Chart]:
    found: dict[str, Chart] = {}
    unit = data.crop_units.get(crop)
    labels = response.labels(data)
    curved = [at for at in model.order if model.square_T[at]][:_MOST_CURVES]
    if curved and len(model.raw_NT):
        curves = [
            curve(labels[model.terms[at]], model.raw_NT[:, at], model.linear_T[at], model.square_T[at])
            for at in curved
        ]
        name = f"{RESPONSES}-{slug}"
        found[name] = response_curves(name, pd.concat(curves, ignore_index=True), crop, unit)
    points = response.plane(data, model)
    if points is not None:
        name = f"{HEAT_MAP}-{slug}"
        axes = (labels[points.terms[0]], labels[points.terms[1]])
        what = crop if data.settings.baseline == "none" else f"change of {crop}"
        found[name] = heat_map(name, points.rows, axes, points.coefficients, points.level, what, unit)
    return found


def _crop(data: ReportData, crop: str, slug: str, model: CropModel) -> dict[str, Any]:
    figures = data.headline["crops"][crop]
    return {
        "name": crop,
        "slug": slug,
        "unit": data.crop_units.get(crop),
        "coefficients": response.coefficient_rows(data, crop, model),
        "regional": response.regional_rows(data, crop, model),
        "regions": tables.region_rows(data, crop),
        "earlier": data.cutoffs[:-1],
        "misses": tables.largest_misses(data, crop),
        "intervals": [
            {
                "level": level,
                **{key: figures.get(f"{key}_{level}") for key in ("coverage", "width", "interval_score")},
                **{
                    f"trend_{key}": figures.get(f"trend_{key}_{level}")
                    for key in ("coverage", "width", "interval_score")
                },
            }
            for level in LEVELS
            if figures.get(f"coverage_{level}") is not None
        ],
    }
