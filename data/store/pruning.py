"""Pruning: which runs, forecasts and backtests may go, and what killed ones left behind."""

from __future__ import annotations

from data.store.base import Store
from data.store.manifests import BACKTESTS, DAY_S, FORECASTS, RUNS, WORK, finished_runs, read_manifest
from data.store.pointers import read_current, read_forecast_pointer, repair, require_current


def prune(store: Store, keep: int) -> list[str]:
    """Remove all but the newest `keep` runs, forecasts and backtests, and abandoned work older than a day.

    The current run and the newest forecast stay whatever their age. Returns the names of what was
    removed: of runs their ids, of the rest their places in the store. Raises DamageError, and removes
    nothing, where it can't be told which run is current, or a manifest can't be read.
    """
    repair(store)
    current = require_current(store) if finished_runs(store) or read_current(store) else None
    forecast = (read_forecast_pointer(store) or {}).get("run_id")
    removed = _thin_out(store, RUNS, keep, current)
    for area, spared in ((FORECASTS, forecast), (BACKTESTS, None)):
        removed += [f"{area}/{run}" for run in _thin_out(store, area, keep, spared)]
    in_use = {f"{RUNS}/{current}", f"{FORECASTS}/{forecast}"}
    for area in (RUNS, FORECASTS, BACKTESTS, WORK):
        for run in store.folders(area):
            name = f"{area}/{run}"
            half = area == WORK or read_manifest(store, run, area) is None
            if half and name not in in_use and (store.age(name) or 0.0) > DAY_S:
                store.remove(name)
                removed.append(name)
    return removed + store.sweep(DAY_S)


def _thin_out(store: Store, area: str, keep: int, spared: str | None) -> list[str]:
    others = [manifest["run_id"] for manifest in finished_runs(store, area) if manifest["run_id"] != spared]
    kept = max(keep - (1 if spared else 0), 0)
    removed = others[: len(others) - kept] if kept else others
    for run in removed:
        store.remove(f"{area}/{run}")
    return removed
