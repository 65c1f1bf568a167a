"""A reader that checks every invariant of a store's log, whatever its writers are at or died of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.store.backends.base import MANIFEST, Store
from data.store.backends.local import LocalStore
from data.store.current import all_finished
from data.store.entries import Instance, State, parse_entry
from data.store.log import entry_name, read_state
from data.store.manifests import (
    CURRENT,
    FORECAST,
    FORECASTS,
    PREDICTIONS,
    RUNS,
    digest,
    folder,
    is_id,
    parse_json,
    seconds,
)


def check_log(store: Store) -> list[State]:
    """Every entry of the log, in order: none is missing, and each follows from the one before."""
    names = store.names("log")
    entries = [name for name in names if "probe" not in name]
    assert entries == [entry_name(number + 1) for number in range(len(entries))], entries
    states: list[State] = []
    for number, name in enumerate(entries, 1):
        content = store.get(name)
        assert content is not None
        state = parse_entry(content, number)
        assert state is not None, name
        follows(states[-1] if states else State(), state, parse_json(content) or {})
        states.append(state)
    return states


def follows(before: State, after: State, entry: Mapping[str, Any]) -> None:
    """What one entry may change of what the entry before left."""
    assert (seconds(after.at) or 0) >= (seconds(before.at) or 0)
    action, run = entry["action"], str(entry.get("run_id"))
    if action in ("publish", "roll back"):
        assert after.current is not None
        assert (after.current.run_id, after.current.entry) == (run, after.number)
        assert after.forecast == before.forecast
        # what was removed before is nobody's current run
        assert not before.is_removed(folder(run), after.current.manifest), f"{run} had been pruned"
        assert run not in after.withdrawn
        rolled_back = {before.current.run_id} if action == "roll back" and before.current else set()
        assert set(after.withdrawn) == ({*before.withdrawn} | rolled_back) - {run}
    elif action == "forecast":
        assert after.current == before.current
        assert after.forecast is not None
        assert (after.forecast.run_id, after.forecast.entry) == (run, after.number)
    elif action == "prune":
        assert (after.current, after.forecast, after.withdrawn) == (
            before.current, before.forecast, before.withdrawn,
        )  # fmt: skip
        places = {f"{RUNS}/{after.current.run_id}"} if after.current else set()
        places |= {f"{FORECASTS}/{after.forecast.run_id}"} if after.forecast else set()
        assert not places & set(entry["removed"]), "what is current was pruned"
    if before.current and after.current and after.current.run_id != before.current.run_id:
        assert seconds(after.ceased[folder(before.current.run_id)]) is not None


def check_named(store: Store, state: State) -> None:
    """The current run and the newest forecast are there with all their files."""
    for area, instance in ((RUNS, state.current), (FORECASTS, state.forecast)):
        if instance is not None:
            check_instance(store, area, instance)


def check_instance(store: Store, area: str, instance: Instance) -> None:
    """A run or forecast is whole, as its entry names it."""
    place = folder(instance.run_id, area)
    content = store.get(f"{place}/{MANIFEST}")
    assert content is not None, f"{place} is current and has no manifest"
    assert digest(content) == instance.manifest, f"{place} is another than the log names"
    for name, facts in json.loads(content)["files"].items():
        found = store.get(f"{place}/{name}")
        assert found is not None, f"{place} is current and {name} is gone"
        assert digest(found) == facts["sha256"], f"{place}/{name} differs"


def check_finished(store: Store, state: State) -> None:
    """No damaged manifest, and nothing that was pruned, is listed."""
    for area in (RUNS, FORECASTS):
        finished, faults = all_finished(store, state, area)
        assert faults == []
        for each in finished:
            assert is_id(each.run_id)
            assert not state.is_removed(folder(each.run_id, area), each.digest)


def check_derived(store: Store, state: State) -> None:
    """What is at the top agrees with a state, which nobody is changing meanwhile."""
    pointer = parse_json(store.get(CURRENT) or b"{}") or {}
    assert pointer.get("run_id") == (state.current.run_id if state.current else None)
    assert pointer.get("number") == state.number
    newest = parse_json(store.get(FORECAST) or b"{}") or {}
    assert newest.get("run_id") == (state.forecast.run_id if state.forecast else None)
    for name, instance in ((PREDICTIONS, state.current), ("forecasts.parquet", state.forecast)):
        wanted = f"{instance.run_id} {PREDICTIONS}".encode() if instance else None
        assert store.get(name) == wanted, (name, store.get(name), wanted)


def check_view(place: Path) -> str | None:
    """A reader on this machine, who resolves the link once: all is of one publication. Its run."""
    link = place / ".views/current"
    if not link.is_symlink():
        return None
    view = link.resolve()
    pointer = json.loads((view / CURRENT).read_bytes())
    run: str | None = pointer["run_id"]
    if run is not None:
        assert (view / PREDICTIONS).read_bytes() == f"{run} {PREDICTIONS}".encode(), "a view of two runs"
    if (view / FORECAST).exists():
        forecast = json.loads((view / FORECAST).read_bytes())["run_id"]
        found = (view / "forecasts.parquet").read_bytes()
        assert found == f"{forecast} {PREDICTIONS}".encode(), "a view of two forecasts"
    return run


def check_all(store: Store, quiet: bool) -> State:
    """Everything; `quiet`: nobody was killed since the last writer ended, so what is derived agrees too."""
    states = check_log(store)
    state = read_state(store)
    assert state == (states[-1] if states else State())
    check_named(store, state)
    check_finished(store, state)
    if isinstance(store, LocalStore):
        check_view(store.root)
    if quiet and state.number:
        check_derived(store, state)
    return state
