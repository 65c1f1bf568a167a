"""What a store remembers: the plain answers behind `cropyield runs` and `cropyield show`."""

from __future__ import annotations

from typing import Any

from data.errors import SettingsError
from data.runs import find_run, finished_runs, folder, follow, read_current, read_json
from data.settings import locate
from data.storage import Store, open_store


def runs(location: str) -> dict[str, Any]:
    """Every finished run, oldest first, and which of them is current."""
    store = existing_store(location)
    current = (read_current(store) or {}).get("run_id")
    found = [
        {
            "run_id": manifest["run_id"],
            "finished_at": manifest["finished_at"],
            "current": manifest["run_id"] == current,
            "crops": manifest["crops"],
            "seasons": manifest["seasons"],
            "gate": manifest["gate"]["outcome"],
        }
        for manifest in finished_runs(store)
    ]
    return {"store": store.place(""), "runs": found}


def show(location: str, run: str) -> dict[str, Any]:
    """One run: manifest, metrics and ledger."""
    store = existing_store(location)
    manifest = find_run(store, run)
    place = folder(manifest["run_id"])
    return {
        "manifest": manifest,
        "metrics": read_json(store, f"{place}/metrics.json"),
        "ledger": read_json(store, f"{place}/ledger.json"),
        "place": store.place(place),
        "current": (read_current(store) or {}).get("run_id") == manifest["run_id"],
    }


def existing_store(location: str) -> Store:
    """The store at a location, its stable paths repaired. Raises SettingsError where there is none."""
    from pathlib import Path

    store = open_store(locate(location, Path()))
    if not store.folders():
        raise SettingsError(f"{store.place('')}: no store here; `cropyield train` makes one")
    follow(store)
    return store
