"""Pruning: which runs, forecasts and backtests may go, and what killed ones left behind.

An entry of the log says first what goes, so that nobody makes it current meanwhile; then it is deleted.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any

from data.store.backends.base import MANIFEST, Store
from data.store.bulletins import remove_stray_bulletins
from data.store.current import Finished, all_finished, change, repair, require_current
from data.store.entries import Action, Draft, State
from data.store.log import read_state
from data.store.manifests import BACKTESTS, DAY_S, FORECASTS, RUNS, WORK, digest, folder, is_id, seconds
from data.store.stable import sweep_views, vouched

AREAS = (RUNS, FORECASTS, BACKTESTS)


def prune(store: Store, keep: int, min_age_s: float) -> list[str]:
    """Remove all but the newest `keep` runs, forecasts and backtests, and abandoned work older than a day.

    The current run, the newest forecast and the run that it was made with stay, and whatever was finished,
    or ceased to be current, within the last `min_age_s`; bulletins go with their forecasts. Returns the names
    of what was removed: of runs their ids, of the rest their places in the store. Raises DamageError, and
    removes nothing, where the log or a manifest that it names can't be read; what has a damaged manifest
    stays.
    """
    repair(store)
    # what an earlier one was killed before deleting
    _delete_removed(store)
    named: list[str] = []

    def draft(state: State) -> Draft | None:
        if state.current:
            require_current(store, state)
        spared = _shown(store, state)
        going = {
            folder(each.run_id, area): each.digest
            for area in AREAS
            for each in _old(store, state, area, spared, keep, min_age_s)
        }
        named[:] = [place.removeprefix(f"{RUNS}/") for place in going]
        if not going:
            return None
        ceased = {place: at for place, at in state.ceased.items() if place not in going}
        removed = _being_deleted(store, state) | going
        facts: dict[str, Any] = {"removed": sorted(going), "keep": keep, "min_age_s": min_age_s}
        return Draft(Action.PRUNE, facts, replace(state, ceased=ceased, removed=removed))

    change(store, draft)
    _delete_removed(store)
    with store.lock():
        remove_stray_bulletins(store, read_state(store))
    sweep_views(store, min_age_s)
    return [*named, *_delete_half(store), *store.sweep(DAY_S)]


def _shown(store: Store, state: State) -> set[str]:
    """The folders that the stable paths lead to, and that of the run whose model made the newest forecast."""
    places = {folder(state.current.run_id)} if state.current else set()
    if state.forecast:
        manifest = vouched(store, state.forecast, FORECASTS)
        places |= {folder(state.forecast.run_id, FORECASTS), f"{RUNS}/{manifest.get('model_run_id')}"}
    return places


def _old(
    store: Store, state: State, area: str, spared: set[str], keep: int, min_age_s: float
) -> list[Finished]:
    there = all_finished(store, state, area)[0]
    others = [each for each in there if folder(each.run_id, area) not in spared]
    kept = max(keep - (len(there) - len(others)), 0)
    return [each for each in others[: len(others) - kept] if _idle_s(state, area, each) >= min_age_s]


def _being_deleted(store: Store, state: State) -> dict[str, str]:
    """What another prune has removed and not deleted yet: nobody may take it for a run meanwhile."""
    return {place: ended for place, ended in state.removed.items() if _is_there(store, place, ended)}


def _is_there(store: Store, place: str, ended: str) -> bool:
    manifest = store.get(f"{place}/{MANIFEST}")
    return digest(manifest) == ended if manifest is not None else bool(store.names(place))


def _idle_s(state: State, area: str, finished: Finished) -> float:
    """Seconds since it was finished, or ceased to be current, whichever came later."""
    times = (finished.manifest["finished_at"], state.ceased.get(folder(finished.run_id, area), ""))
    return time.time() - max(seconds(at) or 0.0 for at in times)


def _delete_removed(store: Store) -> None:
    """Delete what the log says has been removed, unless it is there anew."""
    for place in read_state(store).removed:
        with store.lock():
            store.remove(place, still=partial(_is_removed, store, place))


def _is_removed(store: Store, place: str) -> bool:
    """Whether a folder is still what the log says has been removed, and nobody's new run."""
    manifest = store.get(f"{place}/{MANIFEST}")
    # read again: whoever publishes the same run anew has it taken from there
    ended = read_state(store).removed.get(place)
    return ended is not None and (manifest is None or digest(manifest) == ended)


def _delete_half(store: Store) -> list[str]:
    """Delete what has no manifest, or is work in progress, and hasn't been touched for a day."""
    removed = []
    for area in (*AREAS, WORK):
        for run in store.folders(area):
            place = f"{area}/{run}"
            if area != WORK and not is_id(run):
                continue
            with store.lock():
                half = area == WORK or store.get(f"{place}/{MANIFEST}") is None
                if half and (store.age(place) or 0.0) > DAY_S and not _is_named(read_state(store), place):
                    store.remove(place)
                    removed.append(place)
    return removed


def _is_named(state: State, place: str) -> bool:
    named = {(RUNS, state.current), (FORECASTS, state.forecast)}
    return any(each is not None and place == folder(each.run_id, area) for area, each in named)
