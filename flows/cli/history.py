"""The history of a store: `runs`, `show`, `verify`, `rollback` and `prune` as plain functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.contracts.vocabulary import MAIN
from data.errors import DamageError, SettingsError, StorageError
from data.locations.uris import locate
from data.store import pruning
from data.store.backends.base import MANIFEST, Store
from data.store.backends.open import open_store, open_target
from data.store.current import Finished, all_finished, find_finished, find_run, make_current
from data.store.entries import Action, Instance, State
from data.store.failed_runs import ENDS, newest_failed_runs, prune_failed_runs
from data.store.log import known_withdrawn, read_facts, read_state
from data.store.manifests import (
    BACKTESTS,
    CURRENT,
    FORECASTS,
    RUNS,
    crop_units,
    damaged,
    folder,
    is_id,
    published_json,
)
from data.store.record import record_faults
from data.store.stable import vouched
from flows.cli.older_runs import ledger_by_season, metrics_by_season
from tasks.bulletins import mend_bulletins

SHOWN_ENDS = 5
HOUR_S = 3600.0


def runs(location: str) -> dict[str, Any]:
    """Every finished run, oldest first, and which of them is current; the newest ends without success.

    `faults` has a sentence for the log and for each manifest that is damaged.
    """
    store = existing_store(location)
    state, faults = current_state(store)
    finished, broken = all_finished(store, state)
    found = [
        {
            "run_id": each.run_id,
            "finished_at": each.manifest["finished_at"],
            "current": is_current(each, state),
            "withdrawn": each.run_id in state.withdrawn,
            "crops": each.manifest["crops"],
            "seasons": each.manifest["seasons"],
            "gate": each.manifest["gate"]["outcome"],
        }
        for each in finished
    ]
    ends = newest_failed_runs(store, SHOWN_ENDS)
    return {"store": store.place(""), "runs": found, "ends": ends, "faults": faults + broken}


def current_state(store: Store) -> tuple[State, list[str]]:
    """What the log says, and what is wrong with it or with the run that it names."""
    try:
        state = read_state(store)
        if state.current:
            vouched(store, state.current)
    except DamageError as error:
        return replace(read_state(store, mending=True), current=None), [str(error)]
    return state, []


def is_current(finished: Finished, state: State) -> bool:
    """Whether a run is the one that the log names."""
    current = state.current
    return current is not None and (current.run_id, current.manifest) == (finished.run_id, finished.digest)


def show(location: str, run: str) -> dict[str, Any]:
    """One run: manifest, metrics and ledger; of the current one what the log says of it, too."""
    store = existing_store(location)
    state = read_state(store) if run == "current" else current_state(store)[0]
    finished = find_run(store, state, run)
    manifest = dict(finished.manifest)
    current = is_current(finished, state)
    entry = read_facts(store, state.current.entry) if current and state.current else {}
    return {
        "manifest": manifest,
        "metrics": metrics_by_season(published_json(store, manifest, "metrics.json")),
        "ledger": ledger_by_season(published_json(store, manifest, "ledger.json")),
        "units": crop_units(store, manifest),
        "left_out": [crop for crop in _named_crops(manifest["settings"]) if crop not in manifest["crops"]],
        "place": store.place(folder(finished.run_id)),
        "current": current,
        "entry": {key: entry[key] for key in ("number", "at", "action", "gate", "note") if key in entry},
    }


def verify(location: str, run: str) -> dict[str, Any]:
    """Every file of a run, forecast or backtest read again and its digest compared with the manifest's.

    For `current` those of the newest forecast, too, and all of the log and of the record of forecasts.

    `faults` has a sentence for each file that is missing, differs, or isn't in the manifest though the
    layout promises it; `others` names files beside them that the manifest doesn't know.
    """
    store = existing_store(location)
    state = read_state(store) if run == "current" else current_state(store)[0]
    area, finished = find_published(store, state, run)
    found = _verified(store, area, finished.manifest)
    if run == "current" and state.forecast:
        newest = Finished(vouched(store, state.forecast, FORECASTS), state.forecast.manifest)
        place = folder(newest.run_id, FORECASTS)
        more = _verified(store, FORECASTS, newest.manifest)
        found["what"] += f" and {more['what']}"
        found["faults"] += [f"{place}/{fault}" for fault in more["faults"]]
        found["others"] += [f"{place}/{other}" for other in more["others"]]
        found |= {key: found[key] + more[key] for key in ("files", "size")}
    if run == "current":
        found["faults"] += record_faults(store, state)
    return found


def _verified(store: Store, area: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    place = folder(manifest["run_id"], area)
    known = {f"{place}/{name}" for name in (*manifest["files"], MANIFEST)}
    return {
        "run_id": manifest["run_id"],
        "what": f"{area.removesuffix('s')} {manifest['run_id']}",
        "place": store.place(place),
        "files": len(manifest["files"]),
        "size": sum(file["size"] for file in manifest["files"].values()),
        "faults": damaged(store, manifest, area),
        "others": [name.removeprefix(f"{place}/") for name in store.names(place) if name not in known],
    }


def find_published(store: Store, state: State, text: str) -> tuple[str, Finished]:
    """A run, forecast or backtest by the beginning of its id, or the current run: area and manifest.

    A number that is a bulletin's is its forecast's. Raises SettingsError when none or several are called so.
    """
    text = _forecast_of_bulletin(store, state, text) or text
    for area in (FORECASTS, BACKTESTS):
        found = [run for run in store.folders(area) if text and is_id(run) and run.startswith(text)]
        if len(found) == 1 and (finished := find_finished(store, state, found[0], area)):
            return area, finished
    try:
        return RUNS, find_run(store, state, text)
    except SettingsError as error:
        if text == "current":
            raise
        raise SettingsError(f"{error}, for forecasts and backtests what their folders are called") from error


def _forecast_of_bulletin(store: Store, state: State, text: str) -> str | None:
    """The forecast whose bulletin has this number; None where none has."""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= state.number):
        return None
    facts = read_facts(store, int(text[:9]))
    return str(facts["run_id"]) if facts.get("action") == Action.FORECAST else None


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
    """Make an earlier run current again, once all its files have been verified; the log says from which.

    The run that was current is withdrawn: a repetition of it stays as it is and doesn't undo the rollback.
    Where the log's last entry can't be read and nothing else tells what it had withdrawn, that is said.

    Raises StorageError when the run is damaged, SettingsError when there is no such run, or it was pruned
    meanwhile.
    """
    store = existing_store(location)
    # a damaged log, or current run, is what a rollback may mend
    finished = find_run(store, current_state(store)[0], run)
    verified = _verified(store, RUNS, finished.manifest)
    while verified["faults"]:
        # pruned meanwhile, which is said here, or begun anew?
        again = find_run(store, current_state(store)[0], finished.run_id)
        if again.digest == finished.digest:
            raise_if_damaged(verified)
        finished, verified = again, _verified(store, RUNS, again.manifest)
    gate = finished.manifest["gate"]
    previous: list[str | None] = []
    forgotten: list[int] = []

    def decided(state: State, instance: Instance) -> dict[str, Any] | None:
        before = state.current
        previous[:] = [before.run_id if before else None]
        lost = before is None and state.number and known_withdrawn(store, state.number) is None
        forgotten[:] = [state.number] if lost else []
        if before and (before.run_id, before.manifest) == (instance.run_id, instance.manifest):
            return None
        return {"gate": gate, "note": f"rolled back from {before.run_id if before else 'a lost pointer'}"}

    make_current(store, finished.run_id, decided, Action.ROLL_BACK)
    mend_bulletins(store)
    message = f"nothing to do: run {finished.run_id} is the current one"
    if previous != [finished.run_id]:
        message = f"run {finished.run_id} is current now, in place of {previous[0] or 'a lost pointer'}"
    if forgotten:
        message += (
            f". Entry {forgotten[0]} of the log can't be read: if it withdrew a run, repeating that run "
            "would make it current again; should that happen, roll back once more"
        )
    return {
        "run_id": finished.run_id,
        "previous": previous[0],
        "message": message,
        "gate": gate["outcome"],
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

    target, name = open_target(onnx)
    store = existing_store(location)
    manifest = find_run(store, read_state(store), run).manifest
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


def prune(location: str, keep: int, min_age_h: float) -> dict[str, Any]:
    """Remove all but the newest `keep` runs, forecasts and backtests, and what killed runs left.

    What is shown stays, and what was finished, or ceased to be current, less than `min_age_h` hours ago: see
    pruning.prune. Of the records of unsuccessful ends the newest `keep` stay, too.

    Raises SettingsError when `keep` is less than 1, or the age less than 0.
    """
    if keep < 1:
        raise SettingsError(f"--keep {keep}: at least one run has to stay; write --keep 1 or more")
    if not min_age_h >= 0:
        raise SettingsError(f"--min-age {min_age_h}: an age in hours is 0 or more")
    store = existing_store(location)
    removed = pruning.prune(store, keep, min_age_h * HOUR_S) + prune_failed_runs(store, keep)
    mend_bulletins(store)
    kept = [each.run_id for each in all_finished(store, read_state(store))[0]]
    return {"store": store.place(""), "removed": removed, "kept": kept}


def existing_store(location: str) -> Store:
    """The store at a location. Raises SettingsError for none."""
    store = open_store(locate(location, Path()))
    # a login page in place of a bucket seems to list nothing, but is no file
    store.get(CURRENT)
    if not {RUNS, FORECASTS, BACKTESTS, ENDS}.intersection(store.folders()):
        raise SettingsError(
            f"{store.place('')}: no store here; name another place, or have `cropyield train` make one"
        )
    return store


def _listing(faults: Sequence[str]) -> str:
    more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
    return "; ".join(faults[:5]) + more
