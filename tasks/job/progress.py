"""Progress of long work, reported to whoever watches in the same process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

Watcher = Callable[[str, int, int], None]
_watchers: list[Watcher] = []


def report(what: str, done: int, total: int) -> None:
    """Say that `done` of `total` steps of `what` are done."""
    for watcher in _watchers:
        watcher(what, done, total)


@contextlib.contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Have `watcher` called with (what, done, total) while the block runs."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)
