"""The record of issued forecasts: one file for each forecast's entry of the log, never changed or pruned.

Beside them lie the weights that the forecasts' larger units had, one file for all that had the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from data.store.backends.base import Store
from data.store.entries import Action, State, parse_entry
from data.store.first_layout import record_before
from data.store.log import entry_name, read_entries, read_facts
from data.store.manifests import FORECASTS, digest, folder, is_digest, is_id, to_json

# of a forecast: what the record will hold of it
RECORD, WEIGHTS = "record.parquet", "weights.parquet"
_FOLDER = "record"
VINTAGES = f"{_FOLDER}/yields"
_WEIGHTS = f"{_FOLDER}/weights"


@dataclass(frozen=True)
class Recorded:
    """One issued forecast: its entry's number and time, what was recorded, its weights' SHA-256 or ""."""

    number: int
    at: str
    content: bytes
    weights: str


def record_name(number: int, at: str) -> str:
    """The file of an entry: its year and number."""
    return f"{_FOLDER}/{at[:4]}/{number:08d}.parquet"


def complete_record(store: Store, state: State) -> None:
    """Record every forecast that an entry names and no file holds yet, the newest first.

    Each entry's file is there before the next one's, so that the first found ends the search. Forecasts of
    versions that kept no record have none, but for the newest of a store of schema 1, which entry 1 names.
    """
    for number in range(state.forecast.entry if state.forecast else 0, 0, -1):
        facts = read_facts(store, number)
        if facts.get("action") not in (Action.FORECAST, Action.TAKE_OVER):
            continue
        name, wanted = record_name(number, str(facts.get("at"))), facts.get("record")
        if wanted is None or store.get(name) is not None:
            return
        if facts["action"] == Action.TAKE_OVER:
            newest = parse_entry(to_json(facts), number)
            content = record_before(store, newest.forecast.run_id) if newest and newest.forecast else None
        else:
            place = folder(str(facts.get("run_id")), FORECASTS)
            content = store.get(f"{place}/{RECORD}")
            weights = store.get(f"{place}/{WEIGHTS}")
            if weights is not None and digest(weights) == facts.get("weights"):
                store.create(_weights_name(digest(weights)), weights)
        if content is not None and digest(content) == wanted:
            store.create(name, content)


def read_record(store: Store) -> Iterator[Recorded]:
    """Every issued forecast that is recorded as its entry says, oldest first."""
    for number, name in _recorded(store):
        if found := _read(store, number, name):
            yield found


def lost_record(store: Store, found: Collection[int]) -> list[str]:
    """Files of the record that `read_record` left out: it found those of these entries."""
    return [name for number, name in _recorded(store) if number not in found]


def record_faults(store: Store, state: State) -> list[str]:
    """What is missing of the log and of the record of forecasts, or was changed: a sentence for each file."""
    faults, names, entries = [], set(store.names(_FOLDER)), read_entries(store, state)
    for number, facts in enumerate(entries, 1):
        wanted, run = facts.get("record"), facts.get("run_id")
        name = record_name(number, str(facts.get("at")))
        if not facts:
            after = entries[number].get("action") if number < len(entries) else None
            if after != Action.ROLL_BACK:  # which mends a store whose last entry can't be read
                faults.append(f"{entry_name(number)}: missing, or no entry of the log")
        elif wanted is not None and name in names:
            if digest(store.get(name) or b"") != wanted:
                faults.append(f"{name}: changed since the forecast was issued")
        elif wanted is not None:
            # who published it may have been killed before it was recorded: the next command does it
            content = store.get(f"{folder(run, FORECASTS)}/{RECORD}") if is_id(run) else None
            if digest(content or b"") != wanted:
                faults.append(f"{name}: missing")
    return faults


def read_record_before(store: Store, number: int) -> Iterator[Recorded]:
    """The issued forecasts before an entry, the newest first."""
    for earlier, name in sorted(_recorded(store), reverse=True):
        if earlier < number and (found := _read(store, earlier, name)):
            yield found


def read_weights(store: Store, sha256: str) -> bytes | None:
    """The weights that forecasts were issued with, as their entries say; None where they aren't there so."""
    content = store.get(_weights_name(sha256)) if is_digest(sha256) else None
    return content if content is not None and digest(content) == sha256 else None


def _weights_name(sha256: str) -> str:
    return f"{_WEIGHTS}/{sha256}.parquet"


def _recorded(store: Store) -> Iterator[tuple[int, str]]:
    for name in store.names(_FOLDER):
        number = name.rpartition("/")[2].removesuffix(".parquet")
        if number.isdecimal() and not name.startswith((f"{VINTAGES}/", f"{_WEIGHTS}/")):
            yield int(number), name


def _read(store: Store, number: int, name: str) -> Recorded | None:
    facts, content = read_facts(store, number), store.get(name)
    at = str(facts.get("at"))
    if content and name == record_name(number, at) and digest(content) == facts.get("record"):
        return Recorded(number, at, content, str(facts.get("weights", "")))
    return None
