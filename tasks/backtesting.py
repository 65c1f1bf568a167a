"""The tasks of a backtest: one for each held-out season and cut-off, and one that sums them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
from prefect import task

from data.contracts.parquet import write_table
from data.contracts.vocabulary import MAIN, NAIVE_BASELINES, SCHEMA_VERSION
from data.contracts.wording import ABSENT, as_text, markdown_table, number, percent, span
from data.errors import InputError
from data.settings.seasons import Cutoff, of_season
from data.store.manifests import BACKTESTS, to_json
from tasks.assemble.regions import read_regions
from tasks.assemble.seasons import AssembledSeasons, full_season
from tasks.assembled import AssembledStep, season_data
from tasks.evaluate.backtest import PEEKING, backtest_season, backtest_seasons, skill_curve, summarise
from tasks.evaluate.hindcast import from_arrow, to_arrow
from tasks.evaluate.predictions import predictions_of
from tasks.job.identity import run_settings
from tasks.job.job import Job
from tasks.job.progress import report as report_progress
from tasks.outlook.aggregates import aggregate_metrics, joined_aggregates
from tasks.outlook.outlook import harvests_of, outlook_of_backtest
from tasks.outlook.reliability import chance_metrics, usual_frequencies
from tasks.publish.manifest import origin, parquet, put_whole
from tasks.report.artifacts import Artifact, pictures_markdown
from tasks.report.charts.scores import skill_by_cutoff
from tasks.showing import is_seen, show
from tasks.steps import POLICY, logger, open_step, step_folder
from tasks.yields.ingest import Yields

_HINDCAST, _CHANCES, _AGGREGATES = "hindcast.parquet", "chances.parquet", "aggregates.parquet"


@dataclass(frozen=True)
class HeldOut:
    """One model of a backtest: of a cut-off, without the harvest year that it predicts."""

    cutoff: Cutoff
    year: int


@task(name="choose seasons", task_run_name="choose seasons", **POLICY)
def choose_seasons(job: Job, assembled: AssembledStep, seasons: int) -> tuple[HeldOut, ...]:
    """The last harvest years that can be predicted from those before, for each cut-off."""
    data = AssembledSeasons.load(step_folder(job, assembled.step)).seasons
    years = {
        season: backtest_seasons(full_season(found), of_season(job.settings, season), seasons)
        for season, found in data.items()
    }
    for season, chosen in years.items():
        if not chosen:
            raise InputError(
                f"no season of {', '.join(data[season].crops)} has enough seasons before it to learn from; "
                "use fewer features"
            )
        logger().info("%s: years to predict: %s", season, ", ".join(map(str, chosen)))
    return tuple(HeldOut(cutoff, year) for cutoff in assembled.cutoffs for year in years[cutoff.season])


@task(name="hindcast", task_run_name="hindcast {held_out.year} as of {held_out.cutoff}", **POLICY)
def hindcast_season(
    job: Job, assembled: AssembledStep, yields: str, held_out: HeldOut, leave_one_out: bool
) -> str:
    """Train without one season and predict it."""
    season, as_of = held_out.cutoff.season, held_out.cutoff.as_of
    name = f"hindcast {season} {as_of} {held_out.year}"
    with open_step(job, name) as folder:
        if folder is not None:
            found, settings = season_data(job, assembled, season), of_season(job.settings, season)
            made = backtest_season(
                found.datasets[as_of], settings, as_of, held_out.year, leave_one_out,
                crop_units=found.crop_units,
            )  # fmt: skip
            made = replace(made, hindcast=replace(made.hindcast, season=season))
            chances, aggregates = outlook_of_backtest(
                made, Yields.load(step_folder(job, yields)), read_regions(job.settings), settings, job.run_id
            )
            write_table(to_arrow(made.hindcast), folder / _HINDCAST)
            chances.to_parquet(folder / _CHANCES)
            write_table(aggregates, folder / _AGGREGATES)
    return name


@task(name="publish backtest", task_run_name="publish backtest", **POLICY)
def publish_backtest(job: Job, yields: str, hindcasts: Sequence[str], leave_one_out: bool) -> dict[str, Any]:
    """Sum the hindcasts up and publish: the manifest last."""
    found = [from_arrow(pq.read_table(step_folder(job, name) / _HINDCAST)) for name in hindcasts]
    curve = skill_curve(found)
    metrics: dict[str, Any] = {"schema": SCHEMA_VERSION, "run_id": job.run_id}
    metrics |= summarise(found, leave_one_out)
    folders = [step_folder(job, name) for name in hindcasts]
    chances = pd.concat([pd.read_parquet(folder / _CHANCES) for folder in folders], ignore_index=True)
    aggregates = joined_aggregates([pq.read_table(folder / _AGGREGATES) for folder in folders])
    harvests = harvests_of(Yields.load(step_folder(job, yields)), pd.unique(chances["crop"]).tolist())
    usual = usual_frequencies(harvests)
    for season, scores in metrics["seasons"].items():
        said = chances[chances["season"] == season]
        units = aggregates.filter(pc.equal(aggregates["season"], season))
        for day, of in scores["as_of"].items():
            of["chances"] = chance_metrics(said[said["as_of"] == day], usual)
            of["aggregates"] = aggregate_metrics(units, day)
    rows = curve.to_pylist()
    files = {
        "settings.toml": run_settings(job.settings).encode(),
        "predictions.parquet": parquet(predictions_of(found, job.run_id)),
        "aggregates.parquet": parquet(aggregates),
        "skill.parquet": parquet(curve),
        "metrics.json": to_json(metrics),
    }
    store, place = job.store, f"{BACKTESTS}/{job.run_id}"
    put_whole(store, BACKTESTS, files, origin(job, "backtest") | {"made": metrics["made"]})
    curves = curve.to_pandas().dropna(subset=["crop", "skill"]).groupby("season", sort=False)
    drawn = {"" if season == MAIN else str(season): skill_by_cutoff(points) for season, points in curves}
    pictures = pictures_markdown(drawn) if is_seen() else ""
    show(Artifact("backtest", "Skill by cut-off", f"{_markdown(rows, leave_one_out)}\n\n{pictures}"))
    report_progress("publish backtest", 1, 1)
    return {
        "run_id": job.run_id,
        "made": metrics["made"],
        "seasons": metrics["years"],
        "skill": rows,
        "units": {
            crop: unit for each in found for crop, unit in zip(each.crops, each.crop_units, strict=True)
        },
        "places": {
            "predictions": store.place(f"{place}/predictions.parquet"),
            "backtest": store.place(place),
        },
    }


def _markdown(rows: Sequence[dict[str, Any]], leave_one_out: bool) -> str:
    heads = ("as of", "crop", "rows", "MSE", "best naive baseline", "skill", "95 %")
    cells = [
        (
            row["as_of"], as_text(row["crop"] or "pooled"), f"{row['rows']:,}", number(row["mse"]),
            NAIVE_BASELINES.get(row["best_baseline"], ABSENT), percent(row["skill"]),
            span(row["skill_lower_95"], row["skill_upper_95"], percent),
        )
        for row in rows
    ]  # fmt: skip
    return (f"_{PEEKING}_\n\n" if leave_one_out else "") + markdown_table(
        heads, cells, ("rows", "MSE", "skill")
    )
