"""Bulletins of a store: each forecast's entry of the log gets its page, by whoever writes next."""

from __future__ import annotations

from functools import partial

from data.errors import DamageError, SettingsError
from data.store.backends.base import Store
from data.store.bulletins import bulletin_name, missing_bulletins
from data.store.current import repair
from data.store.entries import State
from data.store.log import read_state


def complete_bulletins(store: Store, state: State) -> None:
    """Draw the page of every forecast's entry that has none yet, the newest first.

    The search ends at a forecast that keeps too little for one: damaged, pruned, or of an earlier version.
    """
    for number in missing_bulletins(store, state):
        from tasks.drawing import draw_bulletin  # most commands find nothing to draw

        try:
            page = draw_bulletin(store, number)
        except (DamageError, SettingsError):
            return
        if page is None:
            return
        store.create(bulletin_name(number), page.encode())


def mend_bulletins(store: Store) -> None:
    """Draw what a killed forecast left undrawn, and show it."""
    if next(missing_bulletins(store, read_state(store)), None) is not None:
        repair(store, complete=partial(complete_bulletins, store))
