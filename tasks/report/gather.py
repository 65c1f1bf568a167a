"""The report step: gathers what the finished steps left, and draws the report."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq

from tasks.assemble.join import Assembled
from tasks.job import machine
from tasks.job.job import Job
from tasks.model.fits import EVALUATED, PUBLISHED
from tasks.model.model import Model
from tasks.report.page import render_report
from tasks.report.tables import ReportData


def report_data(
    job: Job, assembled: Path, evaluated: Path, models: dict[str, dict[str, Model]]
) -> ReportData:
    """What the report needs, from the folders of finished steps; `models` by cut-off and fit."""
    metrics = json.loads((evaluated / "metrics.json").read_bytes())
    found = Assembled.load(assembled)
    season_end = job.settings.season.end
    published = models[season_end][PUBLISHED]
    return ReportData(
        run_id=job.run_id,
        settings=job.settings,
        metrics=metrics,
        predictions=pq.read_table(evaluated / "predictions.parquet"),
        evaluation=pq.read_table(evaluated / "evaluation.parquet"),
        losses={day: fits[EVALUATED].record["losses"] for day, fits in models.items()},
        optimum={day: fits[EVALUATED].record["optimum"] for day, fits in models.items()},
        coefficients=published.coefficients(),
        ledger=found.ledger,
        dataset=found.datasets[season_end],
        crop_units=dict(zip(published.crops, published.crop_units, strict=True)),
        feature_units=dict(zip(published.features, published.feature_units, strict=True)),
        inputs=[
            file | {"name": f"{of}/{file['name']}"} for of, files in job.inputs().items() for file in files
        ],
        versions=machine.versions(),
        notes=[
            note
            for day, part in metrics["as_of"].items()
            for note in (*(f"{day}: {note}" for note in part["features"]), *part["intervals"]["notes"])
        ],
    )


def save_report(data: ReportData, folder: Path) -> None:
    """Write report.html."""
    (folder / "report.html").write_text(render_report(data), encoding="utf-8")
