"""The current run and the newest forecast: finding them, and the changes of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from data.errors import DamageError, SettingsError, StorageError
from data.store.backends.base import MANIFEST, Store
from data.store.entries import Action, Draft, Instance, State
from data.store.log import append, begin, read_state, removed_run, time_after
from data.store.manifests import FORECASTS, RUNS, digest, folder, is_id, load_manifest, now, seconds, to_json
from data.store.record import RECORD, WEIGHTS
from data.store.stable import derive, vouched


@dataclass(frozen=True)
class Written:
    """What somebody who writes a run has in hand of it: its files, and what its manifest says."""

    files: Mapping[str, bytes]
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class Finished:
    """A finished run, forecast or backtest: its manifest, and the SHA-256 of that."""

    manifest: Mapping[str, Any]
    digest: str

    @property
    def run_id(self) -> str:
        """Its id."""
        return str(self.manifest["run_id"])


def find_finished(store: Store, state: State, run: str, area: str = RUNS) -> Finished | None:
    """A run that is finished and hasn't been pruned, or None. Raises DamageError for a damaged manifest."""
    found = load_manifest(store, run, area)
    if found is None or state.is_removed(folder(run, area), found[1]):
        return None
    return Finished(*found)


def all_finished(store: Store, state: State, area: str = RUNS) -> tuple[list[Finished], list[str]]:
    """Every finished run, or forecast or backtest, oldest first; and a sentence for each damaged manifest.

    A folder whose name is no id, such as a copy made by hand, is nobody's run.
    """

    def age(each: Finished) -> tuple[float, str]:
        return seconds(each.manifest["finished_at"]) or 0.0, each.run_id

    finished, faults = [], []
    for run in filter(is_id, store.folders(area)):
        try:
            found = find_finished(store, state, run, area)
        except DamageError as error:
            faults.append(str(error))
        else:
            finished += [found] if found else []
    return sorted(finished, key=age), faults


def require_current(store: Store, state: State) -> Finished:
    """The current run, as the log names it.

    Raises SettingsError where none is, DamageError where its manifest is gone or is another.
    """
    if state.current is None:
        copied = ""
        if not state.number and (found := [run for run in store.folders(RUNS) if is_id(run)]):
            copied = (
                ", though there are runs; if this is a copy, copy log/, too, or make a run current: "
                f"cropyield rollback STORE {found[-1]}"
            )
        raise SettingsError(f"{store.place('')}: no run has been published here yet{copied}")
    return Finished(vouched(store, state.current), state.current.manifest)


def find_run(store: Store, state: State, text: str) -> Finished:
    """The run whose id begins with `text`, or the current one for "current".

    Raises SettingsError when none or several do, DamageError.
    """
    if text == "current":
        return require_current(store, state)
    runs = [run for run in store.folders(RUNS) if is_id(run) and run.startswith(text)] if text else []
    finished = [found for run in runs if (found := find_finished(store, state, run))]
    if len(finished) == 1:
        return finished[0]
    if not finished and (gone := removed_run(store, state, text)):
        raise SettingsError(f"{store.place('')}: {gone}; what there is: see `cropyield runs`")
    what = f"{len(finished)} runs" if finished else "no finished run"
    raise SettingsError(
        f"{store.place('')}: {what} with an id that begins with {text!r}; see `cropyield runs`"
    )


def settle_manifest(store: Store, area: str, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write a manifest, after all its files, unless there is one of the same files; the one that is there.

    Of two who finish the same run at once the first one's stays: the log may name it already.
    """
    run = str(manifest["run_id"])
    name = f"{folder(run, area)}/{MANIFEST}"
    with store.lock():
        if store.create(name, to_json(manifest)):
            return manifest
        state = read_state(store, mending=True)
        with contextlib.suppress(DamageError):
            found = find_finished(store, state, run, area)
            if found is not None and found.manifest["files"] == manifest["files"]:
                return found.manifest
        store.put(name, to_json(manifest))
        return manifest


def repair(store: Store, *areas: str, complete: Callable[[State], None] | None = None) -> State:
    """Bring what is derived into agreement with the log, taking over a store that has none yet; its state.

    `complete` makes what is derived by others, before it is shown. Raises DamageError where files of one of
    these areas aren't as the log says.
    """
    while True:
        with store.lock():
            state = read_state(store)
            if state.number == 0:
                if state == State() or not begin(store, state):
                    return state
                continue
            faults = _derive(store, state, complete)
        _raise_for(faults, areas)
        return state


def _derive(store: Store, state: State, complete: Callable[[State], None] | None) -> dict[str, DamageError]:
    faults: dict[str, DamageError] = {}
    try:
        if complete is not None:
            complete(state)
    finally:  # whatever befalls what others derive, the store agrees with its log
        faults |= derive(store, state)
    return faults


def make_current(
    store: Store,
    run: str,
    decide: Callable[[State, Instance], Mapping[str, Any] | None],
    action: Action = Action.PUBLISH,
    written: Written | None = None,
) -> State:
    """Make a finished run the current one, and say what holds then.

    `decide` is given the state and the run as it is, and answers with what the entry is to say (gate,
    note); None: all stays as it is. With what is `written` whatever a prune took meanwhile is
    restored. A run rolled back from is withdrawn until it is current again. Raises what `decide` does;
    SettingsError where the run that was named has been pruned meanwhile; StorageError.
    """
    candidate = _Candidate(store, RUNS, run, written, action)

    def draft(state: State) -> Draft | None:
        instance = candidate.instance(state)
        facts = decide(state, instance)
        if facts is None:
            return None
        before = state.current.run_id if state.current else None
        withdrawn = {*state.withdrawn, *([before] if before and action == Action.ROLL_BACK else [])} - {run}
        after = replace(candidate.living(state, before), current=instance, withdrawn=tuple(sorted(withdrawn)))
        return Draft(action, {"run_id": run, **facts}, after)

    return change(store, draft, RUNS, candidate.is_whole, mending=action == Action.ROLL_BACK)


def make_newest(
    store: Store,
    forecast: str,
    facts: Mapping[str, Any],
    written: Written | None = None,
    complete: Callable[[State], None] | None = None,
) -> State:
    """Make a finished forecast the newest one, unless it is; `facts` are the entry's.

    `complete` makes what others derive from the log, before it is shown. Raises StorageError.
    """
    candidate = _Candidate(store, FORECASTS, forecast, written, Action.FORECAST)

    def draft(state: State) -> Draft | None:
        instance = candidate.instance(state)
        before = state.forecast
        if before and (before.run_id, before.manifest) == (forecast, instance.manifest):
            return None
        after = replace(candidate.living(state, before.run_id if before else None), forecast=instance)
        return Draft(Action.FORECAST, {"run_id": forecast, **facts, **candidate.recorded()}, after)

    return change(store, draft, FORECASTS, candidate.is_whole, complete=complete)


def change(
    store: Store,
    draft: Callable[[State], Draft | None],
    area: str | None = None,
    is_whole: Callable[[], bool] = lambda: True,
    mending: bool = False,
    complete: Callable[[State], None] | None = None,
) -> State:
    """Append what `draft` makes of the state, and derive what follows; the state that holds then.

    `draft` is asked again whenever another writer was faster; where it has nothing to say what is derived
    is repaired. `is_whole` sees to it that the files are there, before the entry and after; `complete` makes
    what others derive, before it is shown. Raises DamageError where the files of `area` aren't as the log
    says.
    """
    areas = (area,) if area else ()
    while True:
        state = read_state(store, mending)
        wanted = draft(state)
        with store.lock():
            if wanted is None:
                break
            if state.number == 0 and begin(store, state):
                continue
            after = append(store, wanted, state) if is_whole() else None
            if after is None:
                continue
            faults = {}
            for _ in range(2):
                is_whole()
                faults = _derive(store, after, complete)
                # again, later than the last request of a prune that was asked before the entry
                if is_whole() and not faults:
                    break
        _raise_for(faults, areas)
        return after
    return repair(store, *areas, complete=complete)


def _raise_for(faults: Mapping[str, DamageError], areas: tuple[str, ...]) -> None:
    for area in areas:
        if area in faults:
            raise faults[area]


class _Candidate:
    """A finished run or forecast that is about to be named by an entry."""

    def __init__(self, store: Store, area: str, run: str, written: Written | None, action: Action) -> None:
        self.store, self.area, self.run, self.written, self.action = store, area, run, written, action
        self.place = folder(run, area)
        self.found: Finished | None = None

    def instance(self, state: State) -> Instance:
        """As the entry after `state` names it; one that was pruned begins a new life, if it can."""
        self.found = find_finished(self.store, state, self.run, self.area)
        if self.found is None and self.written is not None:
            self._restore_files(self.written.manifest)
            manifest = settle_manifest(self.store, self.area, {**self.written.manifest, "finished_at": now()})
            self.found = Finished(manifest, digest(to_json(manifest)))
        if self.found is None:
            raise self._gone()
        return Instance(self.run, self.found.digest, state.number + 1)

    def recorded(self) -> dict[str, str]:
        """The SHA-256 of what the record will hold of a forecast; nothing where it has no record."""
        files = self.found.manifest["files"] if self.found else {}
        names = {"record": RECORD, "weights": WEIGHTS}
        return {what: files[name]["sha256"] for what, name in names.items() if name in files}

    def living(self, state: State, before: str | None) -> State:
        """The state without what it remembers of this one's end; `before` ceases to be current."""
        ceased = {place: at for place, at in state.ceased.items() if place != self.place}
        if before and before != self.run:
            ceased[folder(before, self.area)] = time_after(state)
        removed = {place: known for place, known in state.removed.items() if place != self.place}
        return replace(state, ceased=ceased, removed=removed)

    def is_whole(self) -> bool:
        """Whether it is there as it was found, its files restored if need be; else it began another life."""
        if self.found is None:
            return False
        self._restore_files(self.found.manifest)
        name = f"{self.place}/{MANIFEST}"
        manifest = self.store.get(name)
        if manifest is None:
            if self.written is None:
                raise self._gone()
            return self.store.create(name, to_json(self.found.manifest))
        return digest(manifest) == self.found.digest

    def _restore_files(self, manifest: Mapping[str, Any]) -> None:
        prefix = len(self.place) + 1
        there = {name[prefix:] for name in self.store.names(self.place)}
        for name in sorted(manifest["files"].keys() - there):
            if self.written is None or name not in self.written.files:
                raise self._gone()
            self.store.put(f"{self.place}/{name}", self.written.files[name])

    def _gone(self) -> SettingsError | StorageError:
        kind = SettingsError if self.action == Action.ROLL_BACK else StorageError
        return kind(
            f"{self.store.place(self.place)} has been pruned meanwhile, or was never finished; "
            "`cropyield runs` lists what there is"
        )
