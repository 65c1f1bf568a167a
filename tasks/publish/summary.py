"""The summary of a run that commands print, also where nothing is to be done; without torch and Prefect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.settings.seasons import named_crops
from data.store.backends.base import Store
from data.store.current import find_finished, repair
from data.store.entries import State
from data.store.log import read_state
from data.store.manifests import PREDICTIONS, RUNS, crop_units, folder, published_json, read_manifest
from tasks.job.job import Job
from tasks.ledger.account import regions_notes, rejects_of
from tasks.publish.judge import described, judge_run, reader
from tasks.yields.level_break import far_notes


def unchanged(job: Job) -> dict[str, Any] | None:
    """The answer to a run that is finished and either current or rolled back from; else None."""
    store = job.store
    state = read_state(store)
    if state.current is None:
        return None
    if state.current.run_id != job.run_id:
        return withdrawn(job, state)
    finished = find_finished(store, state, job.run_id)
    if finished is None or finished.digest != state.current.manifest:
        return None
    repair(store, RUNS)
    gate = judge_run(reader(store, finished), store, state, job.run_id, job.settings.gate)
    return summary(job, described(gate), f"nothing new: run {job.run_id} is finished and current")


def withdrawn(job: Job, state: State) -> dict[str, Any] | None:
    """The answer to a finished run that somebody has rolled back from, whose decision stands; else None."""
    store = job.store
    if state.current is None or job.run_id not in state.withdrawn:
        return None
    finished = find_finished(store, state, job.run_id)
    if finished is None:
        return None
    repair(store, RUNS)
    return summary(
        job,
        finished.manifest["gate"],
        f"nothing new: run {job.run_id} is finished, but was rolled back from; run {state.current.run_id} "
        'stays current until inputs, settings or code change, or --accept "reason" publishes it again',
    ) | {
        "places": {
            **places(store, job.run_id),
            "predictions": store.place(f"{folder(job.run_id)}/{PREDICTIONS}"),
        }
    }


def summary(job: Job, gate: Mapping[str, Any], message: str) -> dict[str, Any]:
    """What the command prints: scores, gate, where predictions, model and report lie."""
    store = job.store
    manifest = read_manifest(store, job.run_id) or {"run_id": job.run_id, "files": {}}
    units, ledger = crop_units(store, manifest), manifest.get("ledger", {})
    metrics = published_json(store, manifest, "metrics.json")
    return {
        "run_id": job.run_id,
        "message": message,
        "gate": dict(gate),
        "metrics": metrics,
        "units": units,
        "left_out": [crop for crop in named_crops(job.settings) if crop not in units],
        "rejected": rejects_of(ledger),
        "notes": [*far_notes(metrics), *regions_notes(ledger)],
        "places": places(store, job.run_id),
    }


def places(store: Store, run: str) -> dict[str, str]:
    """Where a person finds what a run published."""
    return {
        "predictions": store.place(PREDICTIONS),
        "model": store.place(f"{folder(run)}/model"),
        "report": store.place(f"{folder(run)}/report.html"),
    }
