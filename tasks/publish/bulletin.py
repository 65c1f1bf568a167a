"""Where bulletins lie: one page for each forecast's entry in the log, and the newest at the store's top."""

from __future__ import annotations

from data.store.backends.base import Store

BULLETINS, NEWEST = "bulletins", "bulletin.html"


def bulletin_name(number: int) -> str:
    """The file of the bulletin that belongs to an entry of the log."""
    return f"{BULLETINS}/{number:08d}.html"


def publish_bulletin(store: Store, number: int, page: str) -> str:
    """Write a forecast's bulletin and bring `bulletin.html` up to the newest; the place of its own file.

    Whoever writes last reads again what is newest, so that of two writers at once the newer page stays.
    """
    store.put(bulletin_name(number), page.encode())
    shown = ""
    while (newest := max(store.names(BULLETINS))) != shown:
        content = store.get(newest)
        if content is not None:
            store.put(NEWEST, content)
        shown = newest
    return store.place(bulletin_name(number))
