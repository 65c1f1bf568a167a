"""The summary of a run that commands print, also where nothing is to be done; without torch and Prefect."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from data.errors import StorageError
from data.settings.seasons import named_crops
from data.store.base import Store
from data.store.manifests import PREDICTIONS, crop_units, folder, read_json, read_manifest
from data.store.pointers import NEWEST_FORECAST, read_current, sync_copy, withdrawn_runs
from tasks.job.job import Job
from tasks.publish.judge import described, judge_run


def unchanged(job: Job) -> dict[str, Any] | None:
    """The answer to a run that is finished and either current or rolled back from; else None."""
    store = job.store
    current = read_current(store)
    if current is None:
        return None
    if current["run_id"] != job.run_id:
        return withdrawn(job)
    if read_manifest(store, job.run_id) is None:
        return None
    sync_copy(store)
    mend_forecasts(store)
    gate = judge_run(store, job.run_id, job.settings.gate)
    return summary(job, described(gate), f"nothing new: run {job.run_id} is finished and current")


def withdrawn(job: Job) -> dict[str, Any] | None:
    """The answer to a finished run that somebody has rolled back from, whose decision stands; else None."""
    store = job.store
    current = read_current(store)
    if current is None or job.run_id not in withdrawn_runs(store):
        return None
    manifest = read_manifest(store, job.run_id)
    if manifest is None:
        return None
    sync_copy(store)
    return summary(
        job,
        manifest["gate"],
        f"nothing new: run {job.run_id} is finished, but was rolled back from; run {current['run_id']} stays "
        'current until inputs, settings or code change, or --accept "reason" publishes it again',
    )


def mend_forecasts(store: Store) -> None:
    """Make the stable forecasts agree with their pointer where they can; a run doesn't depend on them."""
    with contextlib.suppress(StorageError):
        sync_copy(store, NEWEST_FORECAST)


def summary(job: Job, gate: Mapping[str, Any], message: str) -> dict[str, Any]:
    """What the command prints: scores, gate, where predictions, model and report lie."""
    store, place = job.store, folder(job.run_id)
    return {
        "run_id": job.run_id,
        "message": message,
        "gate": dict(gate),
        "metrics": read_json(store, f"{place}/metrics.json"),
        "units": (units := crop_units(store, job.run_id)),
        "left_out": [crop for crop in named_crops(job.settings) if crop not in units],
        "places": places(store, job.run_id),
    }


def places(store: Store, run: str) -> dict[str, str]:
    """Where a person finds what a run published."""
    return {
        "predictions": store.place(PREDICTIONS),
        "model": store.place(f"{folder(run)}/model"),
        "report": store.place(f"{folder(run)}/report.html"),
    }
