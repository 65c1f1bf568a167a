"""The tasks of a forecast."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pyarrow.parquet as pq
from prefect import task
from prefect.artifacts import create_markdown_artifact

from data.settings.schema import Settings
from data.settings.seasons import Cutoff, named_crops
from data.store.manifests import to_json
from tasks.assemble.forecast_seasons import find_all_forecast_rows
from tasks.evaluate import results, stored_intervals
from tasks.evaluate.predictions import predictions_of
from tasks.job.forecast_job import ForecastJob, open_forecast
from tasks.job.identity import run_settings
from tasks.job.progress import report as report_progress
from tasks.ledger.account import ledger_columns, ledger_story, merge_ledgers
from tasks.ledger.rejected import merge_seasons
from tasks.model.published import load_model
from tasks.publish import forecast as publishing
from tasks.publish.run import sweep
from tasks.steps import POLICY, logger, name_run, open_step, step_folder
from tasks.weather.merge import load_weather
from tasks.yields.ingest import Yields

_FACTS = "facts.json"


@task(name="identify forecast", task_run_name="identify forecast", **POLICY)
def identify_forecast(settings: Settings, as_of: date | None = None) -> ForecastJob:
    """Find the current model and digest the inputs; the forecast's id follows from them."""
    job = open_forecast(settings, as_of)
    logger().info("forecast %s by the model of run %s", job.run_id, job.model_run_id)
    return job


@task(name="forecast", task_run_name="forecast", **POLICY)
def forecast(job: ForecastJob, weather: str, yields: str) -> str:
    """Find what isn't harvested yet and predict it with the published models."""
    with open_step(job, "forecast") as folder:
        if folder is not None:
            found, unserved = find_all_forecast_rows(
                load_weather(step_folder(job, weather)), Yields.load(step_folder(job, yields)), job
            )
            models = {
                Cutoff(season, day): load_model(job.store, job.model_run_id, season, day)
                for season, rows in found.items()
                for day in rows.tables
            }
            said = [
                results.forecast(model, found[of.season].tables[of.as_of], job.crops, of.season)
                for of, model in models.items()
            ]
            predictions = predictions_of(said, job.model_run_id)
            absent = [note for model in models.values() for note in stored_intervals.interval_notes(model)]
            left_out = [crop for crop in named_crops(job.settings) if crop not in job.crops]
            harvested, short = (
                sum(getattr(rows, name) for rows in found.values()) for name in ("harvested", "short")
            )
            pq.write_table(predictions, folder / "predictions.parquet")
            pq.write_table(
                merge_seasons([rows.rejected for rows in found.values()]), folder / "rejected.parquet"
            )
            ledger = merge_ledgers({season: rows.ledger for season, rows in found.items()})
            facts = {
                "ledger": ledger,
                "models": list(map(str, models)),
                "region_seasons": {
                    "forecast": sum(map(len, found.values())), "harvested": harvested, "short": short,
                },
                "notes": [*unserved, *publishing.notes_of(predictions, short, absent, left_out)],
            }  # fmt: skip
            (folder / _FACTS).write_bytes(to_json(facts))
            for line in (*ledger_story(ledger_columns(ledger)), *facts["notes"]):
                logger().info(line)
            report_progress("forecast", 1, 1)
    return "forecast"


@task(name="publish forecast", task_run_name="publish forecast", **POLICY)
def publish_forecast(job: ForecastJob, forecast: str | None) -> dict[str, Any]:
    """Write the forecast, its manifest last, then the pointer; None: it was finished before."""
    result = _publish(job, forecast)
    logger().info("%s", result["message"])
    if result["seasons"]:
        create_markdown_artifact(
            publishing.as_markdown(result), key="forecast", description="Means over regions by season"
        )
        first, last = (result["seasons"][at]["year"] for at in (0, -1))
        crops = dict.fromkeys(row["crop"] for row in result["seasons"])
        name_run(f"{', '.join(crops)} {first if first == last else f'{first}–{last}'}")
    return result


def _publish(job: ForecastJob, forecast: str | None) -> dict[str, Any]:
    if forecast is None:
        return publishing.publish_again(job)
    folder = step_folder(job, forecast)
    facts = json.loads((folder / _FACTS).read_bytes())
    if not facts["region_seasons"]["forecast"]:
        return publishing.nothing_ahead(job, facts)
    files = {name: (folder / name).read_bytes() for name in ("predictions.parquet", "rejected.parquet")}
    files |= {
        "settings.toml": run_settings(job.settings).encode(),
        "ledger.json": to_json(facts["ledger"]),
    }
    result = publishing.publish(job, files, facts)
    sweep(job.store)
    return result


def is_finished(job: ForecastJob) -> bool:
    """Whether this very forecast lies in the store already."""
    return publishing.finished(job) is not None
