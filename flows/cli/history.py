"""The history of a store: `runs`, `show`, `verify`, `rollback` and `prune` as plain functions."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.contracts.vocabulary import MAIN
from data.errors import DamageError, SettingsError, StorageError
from data.locations.uris import locate
from data.store import pruning
from data.store.base import MANIFEST, Store
from data.store.failed_runs import ENDS, newest_failed_runs, prune_failed_runs
from data.store.manifests import (
    BACKTESTS,
    FORECASTS,
    RUNS,
    crop_units,
    damaged,
    finished_runs,
    folder,
    read_json,
    read_manifest,
)
from data.store.open import open_store
from data.store.pointers import find_run, read_current, read_forecast_pointer, repair, set_current, sync_copy
from flows.cli.older_runs import ledger_by_season, metrics_by_season

SHOWN_ENDS = 5


def runs(location: str) -> dict[str, Any]:
    """Every finished run, oldest first, and which of them is current; the newest ends without success.

    `faults` has a sentence for the pointer and for each manifest that is damaged.
    """
    store = existing_store(location)
    current, faults = current_run(store)
    manifests, broken = _manifests(store)
    found = [
        {
            "run_id": manifest["run_id"],
            "finished_at": manifest["finished_at"],
            "current": manifest["run_id"] == current,
            "crops": manifest["crops"],
            "seasons": manifest["seasons"],
            "gate": manifest["gate"]["outcome"],
        }
        for manifest in manifests
    ]
    ends = newest_failed_runs(store, SHOWN_ENDS)
    return {"store": store.place(""), "runs": found, "ends": ends, "faults": faults + broken}


def current_run(store: Store) -> tuple[str | None, list[str]]:
    """The id of the current run, and what is wrong with the pointer."""
    try:
        return (read_current(store) or {}).get("run_id"), []
    except DamageError as error:
        return None, [str(error)]


def _manifests(store: Store) -> tuple[list[dict[str, Any]], list[str]]:
    manifests, faults = [], []
    for run in store.folders(RUNS):
        try:
            manifest = read_manifest(store, run)
        except DamageError as error:
            faults.append(str(error))
        else:
            manifests += [manifest] if manifest else []
    return sorted(manifests, key=lambda found: (found["finished_at"], found["run_id"])), faults


def show(location: str, run: str) -> dict[str, Any]:
    """One run: manifest, metrics and ledger."""
    store = existing_store(location)
    manifest = find_run(store, run)
    place = folder(manifest["run_id"])
    return {
        "manifest": manifest,
        "metrics": metrics_by_season(read_json(store, f"{place}/metrics.json")),
        "ledger": ledger_by_season(read_json(store, f"{place}/ledger.json")),
        "units": crop_units(store, manifest["run_id"]),
        "left_out": [crop for crop in _named_crops(manifest["settings"]) if crop not in manifest["crops"]],
        "place": store.place(place),
        "current": current_run(store)[0] == manifest["run_id"],
    }


def verify(location: str, run: str) -> dict[str, Any]:
    """Every file of a run, forecast or backtest read again and its digest compared with the manifest's.

    For `current` those of the newest forecast, too.

    `faults` has a sentence for each file that is missing or differs; `others` names files beside them
    that the manifest doesn't know.
    """
    store = existing_store(location)
    area, manifest = find_published(store, run)
    found = _verified(store, area, manifest)
    if run == "current" and (named := read_forecast_pointer(store)):
        newest = read_manifest(store, named["run_id"], FORECASTS)
        place = f"{FORECASTS}/{named['run_id']}"
        more = _verified(store, FORECASTS, newest) if newest else {"faults": ["manifest.json: missing"]}
        found["faults"] += [f"{place}/{fault}" for fault in more["faults"]]
        found["others"] += [f"{place}/{other}" for other in more.get("others", ())]
        found |= {key: found[key] + more.get(key, 0) for key in ("files", "size")}
    return found


def _verified(store: Store, area: str, manifest: dict[str, Any]) -> dict[str, Any]:
    place = f"{area}/{manifest['run_id']}"
    known = {f"{place}/{name}" for name in (*manifest["files"], MANIFEST)}
    return {
        "run_id": manifest["run_id"],
        "place": store.place(place),
        "files": len(manifest["files"]),
        "size": sum(file["size"] for file in manifest["files"].values()),
        "faults": damaged(store, manifest, area),
        "others": [name.removeprefix(f"{place}/") for name in store.names(place) if name not in known],
    }


def find_published(store: Store, text: str) -> tuple[str, dict[str, Any]]:
    """A run, forecast or backtest by the beginning of its id, or the current run: area and manifest.

    Raises SettingsError when none or several have such an id.
    """
    for area in (FORECASTS, BACKTESTS):
        found = [run for run in store.folders(area) if text and run.startswith(text)]
        if len(found) == 1 and (manifest := read_manifest(store, found[0], area)):
            return area, manifest
    return RUNS, find_run(store, text)


def raise_if_damaged(verified: dict[str, Any]) -> None:
    """Raises StorageError when `verify` found faults."""
    faults = verified["faults"]
    if faults:
        raise StorageError(
            f"{verified['place']}: {len(faults)} of {verified['files']} files are not as published: "
            f"{_listing(faults)}. Restore them from a copy, compute the run anew with `cropyield train` and "
            "--force (forecasts: `cropyield forecast`), or make another run current with `cropyield rollback`"
        )


def rollback(location: str, run: str) -> dict[str, Any]:
    """Make an earlier run current again, once all its files have been verified; the pointer says from which.

    The run that was current is withdrawn: a repetition of it stays as it is and doesn't undo the rollback.

    Raises StorageError when the run is damaged, SettingsError when there is no such run.
    """
    store = existing_store(location)
    raise_if_damaged(verified := verify(location, run))
    manifest = find_run(store, verified["run_id"])
    previous, _ = current_run(store)  # a damaged pointer is what a rollback may mend
    if previous == manifest["run_id"]:
        sync_copy(store)
        message = f"nothing to do: run {previous} is the current one"
    else:
        note = f"rolled back from {previous or 'a lost pointer'}"
        set_current(
            store, manifest["run_id"], manifest["gate"], note, withdrawn=[previous] if previous else []
        )
        message = f"run {manifest['run_id']} is current now, in place of {previous or 'a lost pointer'}"
    return {
        "run_id": manifest["run_id"],
        "previous": previous,
        "message": message,
        "gate": manifest["gate"]["outcome"],
        "verified_files": verified["files"],
    }


def _named_crops(settings: dict[str, Any]) -> list[str]:
    """As data.settings.seasons.named_crops, of a manifest, without the import of all settings."""
    return [
        *settings["crops"],
        *(crop for of in settings.get("seasons", {}).values() for crop in of["crops"]),
    ]


def export(
    location: str, run: str, onnx: str, season: str | None = None, as_of: str | None = None
) -> dict[str, Any]:
    """Write the published model of a run for a season and cut-off as an ONNX file.

    The season is by default the run's only one, or the main one; the cut-off the full season. Raises
    SettingsError where there is no such run, no model for that season or day, or the extra `onnx` is
    missing.
    """
    from tasks.model.onnx import onnx_model  # brings torch
    from tasks.model.published import load_model

    store = existing_store(location)
    manifest = find_run(store, run)
    seasons = list(manifest["models"])
    chosen = season or (seasons[0] if len(seasons) == 1 else MAIN)
    if chosen not in seasons:
        raise SettingsError(
            f"run {manifest['run_id']} has no season {chosen!r}; choose one with --season: "
            f"{', '.join(seasons)}"
        )
    day = as_of or manifest["models"][chosen]["as_of"][-1]
    model = load_model(store, manifest["run_id"], chosen, day)
    content = onnx_model(model)
    folder, _, name = locate(onnx, Path()).rpartition("/")
    target = open_store(folder or "/")
    target.put(name, content)
    return {
        "run_id": manifest["run_id"],
        "season": chosen,
        "as_of": day,
        "file": target.place(name),
        "size": len(content),
        "features": list(model.features),
        "crops": list(model.crops),
        "crop_units": list(model.crop_units),
        "regions": len(model.region_names),
    }


def prune(location: str, keep: int) -> dict[str, Any]:
    """Remove all but the newest `keep` runs and what killed runs left; the current run always stays.

    Of the records of unsuccessful ends the newest `keep` stay, too.

    Raises SettingsError when `keep` is less than 1.
    """
    if keep < 1:
        raise SettingsError(f"--keep {keep}: at least one run has to stay; write --keep 1 or more")
    store = existing_store(location)
    removed = pruning.prune(store, keep) + prune_failed_runs(store, keep)
    return {"store": store.place(""), "removed": removed, "kept": [m["run_id"] for m in finished_runs(store)]}


def existing_store(location: str) -> Store:
    """The store at a location, its stable paths repaired if they can be. Raises SettingsError for none."""
    store = open_store(locate(location, Path()))
    if not {RUNS, FORECASTS, BACKTESTS, ENDS}.intersection(store.folders()):
        raise SettingsError(f"{store.place('')}: no store here; `cropyield train` makes one")
    # the history of a damaged store can be read all the same, and mended by a rollback
    with contextlib.suppress(StorageError):
        repair(store)
    return store


def _listing(faults: Sequence[str]) -> str:
    more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
    return "; ".join(faults[:5]) + more
