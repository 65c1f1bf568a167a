"""The publication log: numbered entries, each created only if its number is free; a store's one truth.

Whoever loses a number to another writer reads on and decides again: no change is lost, and what one
entry removes the next can't make current.
"""

from __future__ import annotations

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from data.errors import DamageError, StorageError
from data.store.backends.base import Store
from data.store.entries import Action, Draft, State, entry_as_json, parse_entry
from data.store.first_layout import MEND, facts_before, record_before, state_before
from data.store.manifests import (
    BACKTESTS,
    CURRENT,
    FORECASTS,
    RUNS,
    digest,
    is_id,
    now,
    parse_json,
    seconds,
)

LOG = "log"
_LEAST_OF_AN_ID = 4  # what is shorter begins too many
_LOOKED_BACK, _AT_ONCE = 1000, 16  # entries; more than a year of daily forecasts and prunes
_NAME = re.compile(r"log/([0-9]{8})\.json")
_MADE_BY = {RUNS: Action.PUBLISH, FORECASTS: Action.FORECAST}
_AGAIN = {RUNS: "train", FORECASTS: "forecast", BACKTESTS: "backtest"}


def entry_name(number: int) -> str:
    """The file of an entry."""
    return f"{LOG}/{number:08d}.json"


def read_state(store: Store, mending: bool = False) -> State:
    """What holds now: the last entry's state, or that of a store which has pointers and no log yet.

    Raises DamageError when the last entry is none; `mending` goes back to the last one that is, but
    keeps the number, and then no run is current; what the damaged one had withdrawn `current.json` knows.
    """
    number = _last_number(store, mending)
    if number == 0:
        return state_before(store, mending)
    for earlier in range(number, 0, -1):
        content = store.get(entry_name(earlier))
        if content and (state := parse_entry(content, earlier)):
            return state if earlier == number else _without_current(store, replace(state, number=number))
        if not mending:
            raise DamageError(
                f"{store.place(entry_name(number))} was changed by something else than cropyield and is no "
                f"entry of the log; {MEND}"
            )
    return _without_current(store, State(number))


def known_withdrawn(store: Store, number: int) -> tuple[str, ...] | None:
    """The runs that are withdrawn once an entry is rolled back from, its current one among them.

    By `current.json`, where it was derived from that entry and not changed since; else None.
    """
    content = store.get(CURRENT)
    pointer = (parse_json(content) if content else None) or {}
    withdrawn = pointer.get("withdrawn", [])
    if pointer.get("number") != number or not isinstance(withdrawn, list):
        return None
    return tuple(sorted({run for run in (*withdrawn, pointer.get("run_id")) if is_id(run)}))


def _without_current(store: Store, state: State) -> State:
    known = known_withdrawn(store, state.number)
    return replace(state, current=None, withdrawn=state.withdrawn if known is None else known)


def read_facts(store: Store, number: int) -> dict[str, Any]:
    """All that an entry says; empty where there is no such entry, or none that can be read."""
    content = store.get(entry_name(number))
    return (parse_json(content) if content else None) or {}


def read_entries(store: Store, state: State) -> list[dict[str, Any]]:
    """All entries up to the last, the first first; empty where one is missing or can't be read."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(partial(read_facts, store), range(1, state.number + 1)))


def removed_run(store: Store, state: State, text: str) -> str | None:
    """What the log's last thousand entries know of what was removed last under an id that begins with `text`.

    A run, forecast or backtest, in a sentence that says what to do; None where they know of none.
    """
    if len(text) < _LEAST_OF_AN_ID:
        return None
    numbers = range(state.number, max(state.number - _LOOKED_BACK, 0), -1)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        entries = list(pool.map(partial(read_facts, store), numbers))
    found = gone = ""
    for facts in entries:
        action, day = facts.get("action"), str(facts.get("at"))[:10]
        if not found and action == Action.PRUNE:
            places = [str(place) for place in facts.get("removed") or ()]
            found = next((place for place in places if place.partition("/")[2].startswith(text)), "")
            gone = day
        elif (
            found
            and action == _MADE_BY.get(found.partition("/")[0])
            and found.endswith(f"/{facts.get('run_id')}")
        ):
            return _removed(found, f"was published on {day} and has been removed by prune since, on {gone}")
    return _removed(found, f"has been removed by prune, on {gone}") if found else None


def _removed(place: str, what: str) -> str:
    area, _, run = place.partition("/")
    return (
        f"{area.removesuffix('s')} {run} {what}: restore it from a backup, or "
        f"{_AGAIN.get(area, 'make it')} again with its settings and inputs"
    )


def begin(store: Store, state: State) -> bool:
    """Before the first entry: whether the store had pointers and no log, which entry 1 now holds.

    Raises StorageError where the storage can't number entries.
    """
    _probe(store)
    if state.current is None and state.forecast is None:
        return False
    record = record_before(store, state.forecast.run_id) if state.forecast else None
    facts = {**facts_before(store), **({"record": digest(record)} if record else {})}
    append(store, Draft(Action.TAKE_OVER, facts, state), state)
    return True


def append(store: Store, draft: Draft, before: State) -> State | None:
    """Make a draft the entry after `before`; None where another writer was faster. Raises StorageError."""
    number, at, nonce = before.number + 1, time_after(before), secrets.token_hex(16)
    after = replace(draft.state, number=number, at=at)
    try:
        if store.create(entry_name(number), entry_as_json(draft, number, at, nonce)):
            return after
    except StorageError:
        # it may have arrived and the answer been lost
        if read_facts(store, number).get("nonce") != nonce:
            raise
    # "exists" may be the answer to a repetition of what has succeeded
    return after if read_facts(store, number).get("nonce") == nonce else None


def time_after(state: State) -> str:
    """Now, or the last entry's time where clocks disagree."""
    return max((now(), state.at), key=lambda at: seconds(at) or 0.0)


def _probe(store: Store) -> None:
    """Raise StorageError where a file can be created twice: nothing could be numbered there."""
    name = f"{LOG}/probe-{secrets.token_hex(6)}"
    try:
        store.create(name, b"1")
        if store.create(name, b"2"):
            raise StorageError(
                f"{store.place('')}: this storage lets two writers create the same file, so that "
                "publications can't be kept in order; it has to know conditional writes (If-None-Match: *)"
            )
    finally:
        store.remove(name)


def _last_number(store: Store, mending: bool) -> int:
    """The number of the last entry: upward from the one that `current.json` was derived from; 0: none."""
    content = store.get(CURRENT)
    derived_from = ((parse_json(content) if content else None) or {}).get("number")
    number = derived_from if type(derived_from) is int and 0 < derived_from < 10**8 else 0
    if number == 0 or store.get(entry_name(number)) is None:
        matches = [_NAME.fullmatch(name) for name in store.names(LOG)]
        number = max((int(match[1]) for match in matches if match), default=0)
        if number == 0 and derived_from is not None and not mending:
            raise DamageError(f"{store.place(LOG)}: the publication log is gone; {MEND}")
    while store.get(entry_name(number + 1)) is not None:
        number += 1
    return number
