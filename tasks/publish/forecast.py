"""Publishing a forecast: its folder, the manifest last, then the log's entry."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.contracts.columns import ALL, AS_OF, CROP, OF_REGION, REGION, SEASON, SEASON_YEAR, UNIT
from data.contracts.wording import (
    MEANS_OF_REGIONS,
    NOTHING_AHEAD,
    as_text,
    gaps_told,
    markdown_table,
    number,
    span,
)
from data.errors import DamageError
from data.settings.expand import cutoffs
from data.settings.schema import Settings
from data.settings.seasons import Cutoff, of_season, season_names
from data.store.backends.base import Store
from data.store.bulletins import NEWEST
from data.store.current import Written, find_finished, make_newest, repair
from data.store.entries import State
from data.store.log import read_state
from data.store.manifests import FORECASTS, PREDICTIONS, damaged, read_manifest, read_published
from tasks.assemble.coming import coming_seasons
from tasks.job.forecast_job import ForecastJob
from tasks.publish.manifest import origin, put_whole

_AGGREGATES, _HISTORY = "aggregates.parquet", "history.parquet"
_OF_UNITS = [
    "level", "name", "year", "crop", "season", "as_of", "unit", "predicted", "lower_80", "upper_80", "mean_5",
    "last", "chance_below_mean_5", "production",
]  # fmt: skip
Complete = Callable[[State], None]
"""Makes what is derived from the log by others: the bulletins."""
_MEANS = ("predicted", "lower_80", "upper_80", "baseline")


def unchanged(job: ForecastJob, complete: Complete) -> dict[str, Any] | None:
    """The answer to a forecast that is the newest one already, without torch or Prefect; else None."""
    state = read_state(job.store)
    found = finished(job, state)
    if found is None or not is_newest(job, state):
        return None
    repair(job.store, FORECASTS, complete=complete)
    return summary(job, f"nothing new: forecast {job.run_id} is the newest one")


def finished(job: ForecastJob, state: State) -> dict[str, Any] | None:
    """The manifest of this very forecast, where it lies in the store as it was published."""
    with contextlib.suppress(DamageError):
        found = find_finished(job.store, state, job.run_id, FORECASTS)
        return dict(found.manifest) if found and not damaged(job.store, found.manifest, FORECASTS) else None
    return None


def is_newest(job: ForecastJob, state: State) -> bool:
    """Whether this very forecast is the newest one."""
    return state.forecast is not None and state.forecast.run_id == job.run_id


def publish(
    job: ForecastJob, files: Mapping[str, bytes], facts: Mapping[str, Any], complete: Complete
) -> dict[str, Any]:
    """Write a forecast and make it the newest one. Raises InputError when an input changed meanwhile."""
    job.verify()
    about = {
        "model_run_id": job.model_run_id,
        "as_of": job.as_of and job.as_of.isoformat(),
        "crops": list(job.crops),
    }
    manifest = put_whole(job.store, FORECASTS, files, {**origin(job, "forecast"), **about, **facts})
    model = {"model_run_id": job.model_run_id}
    make_newest(job.store, job.run_id, model, Written(files, manifest), complete)
    return summary(job, f"published forecast {job.run_id}")


def publish_again(job: ForecastJob, complete: Complete) -> dict[str, Any]:
    """Make a forecast that was made before the newest one."""
    make_newest(job.store, job.run_id, {"model_run_id": job.model_run_id}, complete=complete)
    return summary(job, f"nothing new: forecast {job.run_id} was made before")


def nothing_ahead(job: ForecastJob, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The answer where there is nothing to forecast; what was published stays."""
    counts = facts["region_seasons"]
    out: Counter[str] = Counter()
    for entry in facts["ledger"]["weather"].values():
        out.update(entry["out_of_scope"])
    left_out = [
        f"{count:,} rows of weather are {reason}"
        for reason, count in out.items()
        if reason.startswith(("before", "after"))
    ]
    why = [f"{counts['harvested']:,} region-seasons have their yield", *left_out]
    if counts["short"]:
        why.insert(1, f"{counts['short']:,} without one have too little weather")
    why.append("a season is forecast from its weather, before it has a yield")
    return _answer(job, f"nothing to forecast, nothing published: {'; '.join(why)}", [], [], {})


def summary(job: ForecastJob, message: str) -> dict[str, Any]:
    """What the command prints of a published forecast: a row for each season, crop and cut-off."""
    store, place = job.store, _place(job)
    manifest = read_manifest(store, job.run_id, FORECASTS) or {"run_id": job.run_id, "files": {}}
    predictions = pq.read_table(io.BytesIO(read_published(store, manifest, PREDICTIONS, FORECASTS)))
    places = {
        "forecasts": store.place("forecasts.parquet"),
        "forecast": store.place(place),
    }
    if store.age(NEWEST) is not None:
        places["bulletin"] = store.place(NEWEST)
    aggregates, history = (_table_of(store, manifest, name) for name in (_AGGREGATES, _HISTORY))
    coming = coming_seasons(
        regions_by_season(predictions, REGION.name), {} if history is None else harvests_by_season(history)
    )
    units = [] if aggregates is None else coming_units(aggregates, coming)
    seasons = by_season(predictions, job.settings, coming)
    return _answer(job, message, seasons, manifest["notes"], places, units)


def _table_of(store: Store, manifest: Mapping[str, Any], name: str) -> pa.Table | None:
    if name not in manifest["files"]:
        return None
    return pq.read_table(io.BytesIO(read_published(store, manifest, name, FORECASTS)))


def harvests_by_season(history: pa.Table) -> dict[tuple[str, int], int]:
    """How many regions' yields are known of each crop and year; `history` as contracts.HISTORY_COLUMNS."""
    return regions_by_season(history.filter(pc.equal(history["level"], OF_REGION)), "name")


def regions_by_season(table: pa.Table, column: str) -> dict[tuple[str, int], int]:
    """How many regions, named in a column, each crop and year has."""
    keys = [CROP.name, SEASON_YEAR.name]
    rows = table.group_by(keys).aggregate([(column, "count_distinct")]).to_pylist()
    return {(row[CROP.name], row[SEASON_YEAR.name]): row[f"{column}_count_distinct"] for row in rows}


def _answer(
    job: ForecastJob,
    message: str,
    seasons: list[dict[str, Any]],
    notes: list[str],
    places: dict[str, str],
    aggregates: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    return {
        "run_id": job.run_id,
        "model_run_id": job.model_run_id,
        "as_of": job.as_of and job.as_of.isoformat(),
        "message": message,
        "aggregates": list(aggregates),
        "seasons": seasons,
        "notes": notes,
        "places": places,
    }


def by_season(predictions: pa.Table, settings: Settings, coming: Mapping[str, int]) -> list[dict[str, Any]]:
    """Means over regions for each season, crop and cut-off, in the crop's unit; regions and unseen ones.

    `ahead` says whether it is the crop's season to come, which `coming` names.
    """
    keys = [SEASON_YEAR.name, CROP.name, SEASON.name, AS_OF.name, UNIT.name]
    days = [
        (season, day) for season in season_names(settings) for day in cutoffs(of_season(settings, season))
    ]
    ranks = {pair: rank for rank, pair in enumerate(days)}
    unseen = pc.cast(pc.invert(predictions["known_region"]), pa.int64())
    grouped = predictions.append_column("unseen", unseen).group_by(keys)
    wanted = [(REGION.name, "count"), ("unseen", "sum"), *((name, "mean") for name in _MEANS)]
    rows = sorted(
        grouped.aggregate(wanted).to_pylist(),
        key=lambda row: (row[SEASON_YEAR.name], row[CROP.name], ranks[row[SEASON.name], row[AS_OF.name]]),
    )
    return [
        {key: row[key] for key in keys}
        | {"regions": row[f"{REGION.name}_count"], "unseen_regions": row["unseen_sum"]}
        | {name: row[f"{name}_mean"] for name in _MEANS}
        | {"ahead": row[SEASON_YEAR.name] == coming.get(row[CROP.name])}
        for row in rows
    ]


def coming_units(aggregates: pa.Table, coming: Mapping[str, int]) -> list[dict[str, Any]]:
    """What is forecast of larger units for each crop's season to come: all wholes, then the parts."""
    rows = aggregates.select(_OF_UNITS).to_pylist()
    kept = [
        row
        for row in rows
        if row[SEASON_YEAR.name] == coming.get(row[CROP.name]) and row["predicted"] is not None
    ]
    return sorted(kept, key=lambda row: (row["level"] != ALL, row[CROP.name]))


def notes_of(predictions: pa.Table, short: int, absent: Sequence[str], left_out: Sequence[str]) -> list[str]:
    """What a reader of a forecast should know besides its figures, a sentence each.

    `absent` are those of each cut-off's model on its intervals; what several say is said once.
    """
    strangers = predictions.filter(pc.invert(predictions["known_region"]))
    unseen = len(pc.unique(strangers[REGION.name]))
    notes = []
    if unseen:
        notes.append(f"regions new to the model, predicted from the pooled baseline: {unseen:,}")
    if short:
        notes.append(f"region-seasons with too little weather, listed in rejected.parquet: {short:,}")
    if left_out:
        notes.append(f"crops that the model lacks: {', '.join(left_out)}")
    return [*notes, *dict.fromkeys(absent)]


def crops_left_out(crops: Sequence[str], trained: Mapping[str, Any]) -> list[str]:
    """Crops that the model lacks, each with the reason; `trained` are the settings of the model's run."""
    further = (of["crops"] for of in trained.get("seasons", {}).values())
    asked = {*trained.get("crops", ()), *(crop for named in further for crop in named)}
    return [
        f"{crop} ({'too few training rows for the features' if crop in asked else 'trained without it'})"
        for crop in crops
    ]


def as_markdown(result: Mapping[str, Any]) -> str:
    """The forecast for Prefect's pages."""
    heads = ("season", "crop", "unit", "as of", "regions", "predicted", "a region's 80 %", "baseline")
    rows = [
        (
            str(row["year"]), as_text(row["crop"]), as_text(row["unit"] or ""),
            str(Cutoff(row["season"], row["as_of"])),
            f"{row['regions']:,}", number(row["predicted"]), span(row["lower_80"], row["upper_80"]),
            number(row["baseline"]),
        )
        for row in result["seasons"]
        if row["ahead"]
    ]  # fmt: skip
    table = markdown_table(heads, rows, ("regions", "predicted", "baseline"))
    said = f"{table}\n{MEANS_OF_REGIONS}" if rows else f"{NOTHING_AHEAD}."
    notes = "".join(f"- {as_text(note)}\n" for note in (*gaps_told(result["seasons"]), *result["notes"]))
    by = f"{result['message']}, by the model of run {result['model_run_id']}"
    return f"{by}\n\n{said}\n\n{notes}"


def _place(job: ForecastJob) -> str:
    return f"{FORECASTS}/{job.run_id}"
