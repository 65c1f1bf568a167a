"""Bulletins: a page for each entry of the log that is a forecast; where it lies, which is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from data.store.backends.base import MANIFEST, Store
from data.store.entries import Action, State
from data.store.log import read_facts
from data.store.manifests import FORECASTS, is_id

NEWEST = "bulletin.html"  # at the top of the store
BULLETINS = "bulletins"
_NAME = re.compile(rf"{BULLETINS}/([0-9]{{8}})\.html")


def bulletin_name(number: int) -> str:
    """The page of a forecast's entry in the log."""
    return f"{BULLETINS}/{number:08d}.html"


def missing_bulletins(store: Store, state: State) -> Iterator[int]:
    """Entries of forecasts without a page, the newest first; the first that has one ends the search."""
    if state.forecast is None:
        return
    there = set(store.names(BULLETINS))
    for number in range(state.forecast.entry, 0, -1):
        if bulletin_name(number) in there:
            return
        if read_facts(store, number).get("action") == Action.FORECAST:
            yield number


def remove_stray_bulletins(store: Store, state: State) -> None:
    """Delete the pages of forecasts that are gone; the newest forecast's stays."""
    for name in store.names(BULLETINS):
        match = _NAME.fullmatch(name)
        if match is None or (state.forecast and int(match[1]) >= state.forecast.entry):
            continue
        forecast = read_facts(store, int(match[1])).get("run_id")
        if is_id(forecast) and store.get(f"{FORECASTS}/{forecast}/{MANIFEST}") is None:
            store.remove(name)
