"""The tasks of a forecast."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from prefect import task

from data.contracts.parquet import write_table
from data.contracts.wording import in_short
from data.settings.schema import Settings
from data.settings.seasons import Cutoff, named_crops, of_season
from data.store.bulletins import bulletin_name
from data.store.log import read_state
from data.store.manifests import FORECASTS, read_manifest, read_published, to_json
from tasks.assemble.forecast_seasons import find_all_forecast_rows
from tasks.assemble.regions import read_regions
from tasks.bulletins import complete_bulletins
from tasks.evaluate import results, stored_intervals
from tasks.evaluate.predictions import predictions_of
from tasks.events import FORECAST_PUBLISHED, tell_published
from tasks.job.forecast_job import ForecastJob, open_forecast
from tasks.job.identity import run_settings
from tasks.job.links import Links
from tasks.job.progress import report as report_progress
from tasks.ledger.account import ledger_columns, ledger_story, merge_ledgers, regions_notes
from tasks.ledger.rejected import merge_seasons
from tasks.model.model import Model
from tasks.outlook.joined import joined_outlook
from tasks.outlook.outlook import outlook_of_forecast
from tasks.outlook.published import load_fitted
from tasks.publish import forecast as publishing
from tasks.publish.run import sweep
from tasks.report.artifacts import Artifact
from tasks.report.bulletin_artifact import headline, headline_text, of_bulletin
from tasks.report.charts.boundaries import geometries_of
from tasks.report.geojson import GEOJSON, forecast_geojson
from tasks.showing import is_seen, name_run, show, show_earlier, tag_run
from tasks.steps import POLICY, logger, open_step, step_folder
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
            harvests, regions = Yields.load(step_folder(job, yields)), read_regions(job.settings)
            found, unserved = find_all_forecast_rows(
                load_weather(step_folder(job, weather)), harvests, job, regions
            )
            models: dict[Cutoff, Model] = {}
            parts = []
            for season, rows in found.items():
                fitted = {day: load_fitted(job.store, job.model_run_id, season, day) for day in rows.served}
                models |= {Cutoff(season, day): fitted[day].model for day in rows.tables}
                said, served = (
                    {
                        day: results.forecast(fitted[day].model, table, job.crops, season)
                        for day, table in tables.items()
                    }
                    for tables in (rows.tables, rows.served)
                )
                parts.append(
                    outlook_of_forecast(
                        predictions_of([*said.values()], job.model_run_id), served, fitted, rows, harvests,
                        regions, of_season(job.settings, season), season,
                    )
                )  # fmt: skip
            outlook = joined_outlook(parts)
            predictions = outlook["predictions"]
            absent = [note for model in models.values() for note in stored_intervals.interval_notes(model)]
            left_out = publishing.crops_left_out(
                [crop for crop in named_crops(job.settings) if crop not in job.crops],
                (read_manifest(job.store, job.model_run_id) or {}).get("settings", {}),
            )
            harvested, short = (
                sum(getattr(rows, name) for rows in found.values()) for name in ("harvested", "short")
            )
            for name, table in outlook.items():
                write_table(table, folder / f"{name}.parquet")
            write_table(
                merge_seasons([rows.rejected for rows in found.values()]), folder / "rejected.parquet"
            )
            if regions is not None:
                names = dict(zip(regions.table["region"], regions.table["name"], strict=True))
                (folder / GEOJSON).write_bytes(
                    forecast_geojson(predictions.to_pandas(), geometries_of(regions.table), names)
                )
            ledger = merge_ledgers({season: rows.ledger for season, rows in found.items()})
            facts = {
                "ledger": ledger,
                "models": list(map(str, models)),
                "region_seasons": {
                    "forecast": sum(map(len, found.values())), "harvested": harvested, "short": short,
                },
                "notes": [
                    *unserved,
                    *publishing.notes_of(predictions, short, absent, left_out),
                    *regions_notes(ledger),
                ],
            }  # fmt: skip
            (folder / _FACTS).write_bytes(to_json(facts))
            for line in (*ledger_story(ledger_columns(ledger)), *facts["notes"]):
                logger().info(line)
            report_progress("forecast", 1, 1)
    return "forecast"


@task(name="publish forecast", task_run_name="publish forecast", **POLICY)
def publish_forecast(job: ForecastJob, forecast: str | None) -> dict[str, Any]:
    """Write the forecast, its manifest last, the log's entry, the bulletin; None: it was finished before."""
    before = read_state(job.store)
    result = _publish(job, forecast)
    logger().info("%s", result["message"])
    if result["seasons"]:
        links = Links(job.store.place(""), job.settings.public_url)
        if forecast is not None:
            tag_run(job.run_id)
        text, page = publishing.as_markdown(result), result["places"].get("bulletin")
        if page is not None:
            text += f"\n{links.markdown(page, 'the newest bulletin')}\n"
        show(Artifact("forecast", "Means over regions by season", text))
        now = read_state(job.store).forecast
        if now is not None and now.run_id == job.run_id and now.entry > before.number:
            _show_bulletin(job, now.entry, links)
            _tell_published(job, now.entry, result, links)
        ahead = {row["crop"]: row["year"] for row in result["seasons"] if row["ahead"]}
        if ahead:
            first, last = min(ahead.values()), max(ahead.values())
            name_run(f"{in_short(ahead)} {first if first == last else f'{first}–{last}'}")
        else:
            name_run(f"{in_short({row['crop']: 0 for row in result['seasons']})}: gaps of past seasons")
    return result


def _publish(job: ForecastJob, forecast: str | None) -> dict[str, Any]:
    if forecast is None:
        return publishing.publish_again(job, partial(complete_bulletins, job.store))
    folder = step_folder(job, forecast)
    facts = json.loads((folder / _FACTS).read_bytes())
    if not facts["region_seasons"]["forecast"]:
        return publishing.nothing_ahead(job, facts)
    kept = [*folder.glob("*.parquet"), *folder.glob(GEOJSON)]
    files = {file.name: file.read_bytes() for file in sorted(kept)}
    files |= {
        "settings.toml": run_settings(job.settings).encode(),
        "ledger.json": to_json(facts["ledger"]),
    }
    result = publishing.publish(job, files, facts, partial(complete_bulletins, job.store))
    sweep(job.store)
    return result


def _show_bulletin(job: ForecastJob, entry: int, links: Links) -> None:
    """Show the bulletin's map and larger units, where somebody can look and there is one."""
    place = job.store.place(bulletin_name(entry))
    if not is_seen() or job.store.age(bulletin_name(entry)) is None:
        return
    from tasks.drawing import read_bulletin

    data = read_bulletin(job.store, entry)
    if data is not None:
        show(of_bulletin(data, links.markdown(place, "the bulletin")))


def _tell_published(job: ForecastJob, entry: int, result: Mapping[str, Any], links: Links) -> None:
    """Emit the event of the entry that made the forecast the newest."""
    units = _table(job, "aggregates.parquet")
    ahead = {row["crop"]: row["year"] for row in result["seasons"] if row["ahead"]}
    rows = headline(units[units["crop"].map(ahead) == units["year"]])
    facts = {
        "forecast": job.run_id,
        "entry": entry,
        "model_run": job.model_run_id,
        "as_of": result["as_of"],
        "headline": headline_text(rows) or result["message"],
        "crops": rows,
        "places": {name: links.address(place) for name, place in result["places"].items()},
    }
    tell_published(FORECAST_PUBLISHED, job.store.place(""), facts)


def _table(job: ForecastJob, name: str) -> pd.DataFrame:
    manifest = read_manifest(job.store, job.run_id, FORECASTS) or {"run_id": job.run_id, "files": {}}
    found: pd.DataFrame = pq.read_table(
        io.BytesIO(read_published(job.store, manifest, name, FORECASTS))
    ).to_pandas()
    return found


def is_finished(job: ForecastJob) -> bool:
    """Whether this very forecast lies in the store already; then what it showed is linked."""
    finished = publishing.finished(job, read_state(job.store)) is not None
    if finished:
        show_earlier(job.run_id)
    return finished
