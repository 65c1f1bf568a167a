"""The progress bar of a command: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(wanted: bool) -> Iterator[None]:
    """A bar on a terminal, plain lines elsewhere, both on standard error."""
    from tasks.job.progress import watched_by

    if not wanted:
        yield
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as bars:
            known: dict[str, TaskID] = {}

            def draw(what: str, done: int, total: int) -> None:
                if what not in known:
                    known[what] = bars.add_task(what, total=total)
                bars.update(known[what], completed=done, total=total)

            with watched_by(draw):
                yield
    else:

        def say(what: str, done: int, total: int) -> None:
            if done == total:
                print(what, file=sys.stderr, flush=True)

        with watched_by(say):
            yield
