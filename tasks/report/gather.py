"""The report step: gathers what the finished steps left, and draws the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.contracts.wording import by_note
from data.settings.seasons import Cutoff, of_season
from tasks.assemble.seasons import AssembledSeasons, full_season
from tasks.job import machine
from tasks.job.job import Job
from tasks.ledger.account import regions_notes
from tasks.model.fits import EVALUATED, PUBLISHED
from tasks.model.model import Model
from tasks.report.page import render_report
from tasks.report.tables import PREDICTED, ReportData
from tasks.yields.level_break import describe_level_break, far_notes


def report_data(
    job: Job, assembled: Path, evaluated: Path, models: Mapping[Cutoff, dict[str, Model]]
) -> tuple[ReportData, ...]:
    """What the report of each season needs, from the folders of finished steps; `models` by fit."""
    metrics = json.loads((evaluated / "metrics.json").read_bytes())["seasons"]
    found = AssembledSeasons.load(assembled)
    predictions = pq.read_table(evaluated / "predictions.parquet", columns=["season", "as_of", *PREDICTED])
    evaluation = pq.read_table(evaluated / "evaluation.parquet")
    pages = []
    first = next(iter(found.seasons))
    for season, data in found.seasons.items():
        fits = {cutoff.as_of: each for cutoff, each in models.items() if cutoff.season == season}
        published = list(fits.values())[-1][PUBLISHED]
        pages.append(
            ReportData(
                run_id=job.run_id,
                season=season,
                settings=of_season(job.settings, season),
                metrics=metrics[season],
                predictions=predictions.filter(pc.equal(predictions["season"], season)),
                evaluation=evaluation.filter(pc.equal(evaluation["season"], season)),
                losses={day: each[EVALUATED].record["losses"] for day, each in fits.items()},
                optimum={day: each[EVALUATED].record["optimum"] for day, each in fits.items()},
                coefficients=published.coefficients(),
                ledger=data.ledger,
                dataset=full_season(data),
                crop_units=dict(zip(published.crops, published.crop_units, strict=True)),
                feature_units=dict(zip(published.features, published.feature_units, strict=True)),
                inputs=[
                    file | {"name": f"{of}/{file['name']}"}
                    for of, files in job.inputs().items()
                    for file in files
                ],
                versions=machine.versions(),
                notes=[
                    *(
                        f"{', '.join(of.crops)} (season {other}): {_page_name(other, first)}"
                        for other, of in found.seasons.items()
                        if other != season
                    ),
                    *_notes(metrics[season]),
                    *far_notes({"seasons": {season: metrics[season]}}),
                    *regions_notes(data.ledger),
                ],
            )
        )
    return tuple(pages)


def _notes(season: Mapping[str, Any]) -> list[str]:
    """What a season's part of metrics.json says in sentences."""
    breaks = [f"{crop}: {describe_level_break(**found)}" for crop, found in season["breaks"].items() if found]
    features = by_note({day: part["features"] for day, part in season["as_of"].items()})
    intervals = dict.fromkeys(
        note for part in season["as_of"].values() for note in part["intervals"]["notes"]
    )
    return [*breaks, *(f"{', '.join(days)}: {note}" for note, days in features.items()), *intervals]


def save_report(pages: Sequence[ReportData], folder: Path) -> None:
    """Write the page of each season, the first one as report.html."""
    for data in pages:
        page = _page_name(data.season, pages[0].season)
        (folder / page).write_text(render_report(data), encoding="utf-8")


def _page_name(season: str, first: str) -> str:
    return "report.html" if season == first else f"report-{season}.html"
