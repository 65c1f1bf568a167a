"""The record of issued forecasts: one file for each forecast's entry of the log, never changed or pruned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data.store.backends.base import Store
from data.store.entries import Action, State, parse_entry
from data.store.first_layout import record_before
from data.store.log import read_facts
from data.store.manifests import FORECASTS, digest, folder, to_json

RECORD = "record.parquet"  # of a forecast: what the record will hold of it
_FOLDER = "record"
VINTAGES = f"{_FOLDER}/yields"


@dataclass(frozen=True)
class Recorded:
    """One issued forecast: its entry's number and time, and what was recorded."""

    number: int
    at: str
    content: bytes


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
            content = store.get(f"{folder(str(facts.get('run_id')), FORECASTS)}/{RECORD}")
        if content is not None and digest(content) == wanted:
            store.create(name, content)


def read_record(store: Store) -> Iterator[Recorded]:
    """Every issued forecast that is recorded as its entry says, oldest first."""
    for number, name in _recorded(store):
        if found := _read(store, number, name):
            yield found


def read_record_before(store: Store, number: int) -> Iterator[Recorded]:
    """The issued forecasts before an entry, the newest first."""
    for earlier, name in sorted(_recorded(store), reverse=True):
        if earlier < number and (found := _read(store, earlier, name)):
            yield found


def _recorded(store: Store) -> Iterator[tuple[int, str]]:
    for name in store.names(_FOLDER):
        number = name.rpartition("/")[2].removesuffix(".parquet")
        if number.isdecimal() and not name.startswith(f"{VINTAGES}/"):
            yield int(number), name


def _read(store: Store, number: int, name: str) -> Recorded | None:
    facts, content = read_facts(store, number), store.get(name)
    at = str(facts.get("at"))
    if content and name == record_name(number, at) and digest(content) == facts.get("record"):
        return Recorded(number, at, content)
    return None
