"""The report of a run: one self-contained page, and its plots as files.

A pure function of a run's data: no times, hosts, paths or gate decisions, so that the same run
makes the same bytes. Everything that comes from outside is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from data.contracts.vocabulary import LEVELS, NAIVE_BASELINES, SplitName, best_baseline
from data.contracts.wording import number, percent
from tasks.job.identity import run_settings
from tasks.report import plane, plots, tables
from tasks.report.tables import ReportData

LOSS, SKILL = "loss", "skill-by-cutoff"
PREDICTED_ACTUAL, BY_SEASON, PLANE = "predicted-actual", "error-by-season", "plane"


def render_plots(data: ReportData) -> dict[str, bytes]:
    """The report's plots as SVG, by file name without its ending."""
    drawn: dict[str, plots.Draw] = {}
    if data.losses:
        drawn[LOSS] = plots.loss_curve(data.losses, data.optimum)
    skill = _skill_by_cutoff(data)
    if skill:
        drawn[SKILL] = plots.skill_by_cutoff(data.cutoffs, skill)
    for crop, slug in slugs(data).items():
        unit = data.crop_units.get(crop)
        rows = data.scored(crop)
        if len(rows):
            drawn[f"{PREDICTED_ACTUAL}-{slug}"] = plots.predicted_actual(
                rows["actual"].to_numpy(), rows["predicted"].to_numpy(), crop, unit
            )
        season = _season_plot(data, crop)
        if season:
            drawn[f"{BY_SEASON}-{slug}"] = season
        surface = _plane_plot(data, crop)
        if surface:
            drawn[f"{PLANE}-{slug}"] = surface
    return {name: plots.as_svg(name, draw) for name, draw in drawn.items()}


def render_report(data: ReportData, pictures: Mapping[str, bytes] | None = None) -> str:
    """The page as HTML. `pictures` are those of `render_plots`, where they are at hand already."""
    drawn = render_plots(data) if pictures is None else pictures
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "squared": tables.squared}
    inline = {name: _inline(name, svg) for name, svg in drawn.items()}
    return environment.get_template("report.html").render(
        data=data,
        seasons=tables.seasons_of(data),
        shape=_shape(data),
        headline=headline(data),
        pooled=data.headline["pooled"],
        cutoffs=_cutoffs(data),
        crops=[_crop(data, crop, slug, inline) for crop, slug in slugs(data).items()],
        pictures=inline,
        excess=data.metrics["as_of"][data.as_of].get("excess") or {},
        ledger=tables.ledger_rows(data.ledger),
        ledger_inputs=list(data.ledger),
        settings=run_settings(data.settings),
        baseline_names=NAIVE_BASELINES,
        judged=data.split != SplitName.TRAIN,
        split_name="training" if data.split == SplitName.TRAIN else data.split,
    )


def slugs(data: ReportData) -> dict[str, str]:
    """A file-name part for each scored crop; crops whose letters a file name can't hold get numbers."""
    found: dict[str, str] = {}
    for at, crop in enumerate(data.headline["crops"], start=1):
        slug = re.sub(r"[^a-z0-9]+", "-", crop.lower()).strip("-")[:40]
        found[crop] = slug if slug and slug not in found.values() else f"{slug or 'crop'}-{at}"
    return found


def headline(data: ReportData) -> list[dict[str, Any]]:
    """The headline's figures of each crop, with the name of its best naive baseline."""
    return [
        {
            **figures,
            "crop": crop,
            "unit": data.crop_units.get(crop),
            "best": best_baseline(figures.get("baselines") or {})[0],
            "baselines": figures.get("baselines") or {},
        }
        for crop, figures in data.headline["crops"].items()
    ]


def _shape(data: ReportData) -> dict[str, Any]:
    years = data.dataset.year_N
    return {
        "regions": len(data.dataset.region_names),
        "rows": len(data.dataset),
        "first": int(years.min()) if len(years) else None,
        "last": int(years.max()) if len(years) else None,
        "features": len(data.dataset.features),
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


def _skill_by_cutoff(data: ReportData) -> dict[str, list[float | None]]:
    rows = _cutoffs(data)
    return {
        crop: [row["crops"][at].get("skill") for row in rows]
        for at, crop in enumerate(data.headline["crops"])
        if any(row["crops"][at].get("skill") is not None for row in rows)
    }


def _season_plot(data: ReportData, crop: str) -> plots.Draw | None:
    rows = data.scores(crop, "year").sort_values("year")
    if len(rows) < 2:
        return None
    best = best_baseline(data.headline["crops"][crop].get("baselines") or {})[0] or "region_trend"
    return plots.error_by_season(
        rows["year"].to_numpy().astype(np.int64),
        rows["rmse"].to_numpy(),
        np.sqrt(rows[f"mse_{best}"].to_numpy(dtype=np.float64)),
        (rows["split"] == str(SplitName.TEST)).to_numpy(),
        NAIVE_BASELINES[best],
        crop,
        data.crop_units.get(crop),
    )


def _plane_plot(data: ReportData, crop: str) -> plots.Draw | None:
    model = tables.crop_model(data, crop)
    strongest = [at for at in model.order if model.deviation_T[at] > 0][:2]
    if len(strongest) < 2 or not len(model.residual_N):
        return None
    slopes = model.coefficient_T[strongest]
    centred = data.settings.baseline == "none"
    x_N2 = model.x_NT[:, strongest]
    # the plane passes through the mean of what the model says, the other features at their means
    y_N = data.dataset.y_NT[:, data.dataset.crops.index(crop)]
    mean = float(np.mean(y_N[np.isfinite(y_N)] - model.residual_N)) if centred else 0.0
    level = mean - float(x_N2.mean(axis=0) @ slopes) if centred else 0.0
    what = "" if centred else " departure"
    first, second = (
        _axis(model.terms[at], what, data.feature_units.get(model.terms[at])) for at in strongest
    )
    return plane.plane(
        plane.Plane(
            (first, second),
            (float(slopes[0]), float(slopes[1])),
            level,
            x_N2,
            model.residual_N,
            f"{crop}{what}",
            data.crop_units.get(crop),
        )
    )


def _axis(feature: str, what: str, unit: str | None) -> str:
    """A label in two lines, short enough for a slanted axis."""
    name = feature if len(feature) <= 32 else f"{feature[:31]}…"
    return f"{name}\n{plots.with_unit(what, unit).strip()}".strip()


def _crop(data: ReportData, crop: str, slug: str, inline: Mapping[str, Markup]) -> dict[str, Any]:
    figures = data.headline["crops"][crop]
    model = tables.crop_model(data, crop)
    return {
        "name": crop,
        "unit": data.crop_units.get(crop),
        "pictures": {
            kind: inline[f"{kind}-{slug}"]
            for kind in (PREDICTED_ACTUAL, BY_SEASON, PLANE)
            if f"{kind}-{slug}" in inline
        },
        "coefficients": tables.coefficient_rows(data, crop, model),
        "regional": tables.regional_rows(data, crop, model),
        "regions": tables.misses_by_region(data, crop),
        "seasons": tables.largest_misses(data, crop),
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


def _inline(name: str, svg: bytes) -> Markup:
    """An SVG as part of a page: no prologue, its size left to the page, its ids its own."""
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    head, end, body = text.partition(">")
    head = re.sub(r'\s(?:width|height|version)="[^"]*"', "", head)
    body = re.sub(r'(\sid=")', rf"\1{name}.", body)
    body = re.sub(r'(xlink:href="#|url\(#)', rf"\1{name}.", body)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    # matplotlib escapes every text that it writes
    return Markup(head + end + body)
