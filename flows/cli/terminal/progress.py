"""The progress of a command: bars on a terminal, plain lines elsewhere and beside a log."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def progress_bar(wanted: bool) -> Iterator[None]:
    """Bars on a terminal, plain lines elsewhere and beside a run's log, all on standard error.

    A step without parts that can be counted has a bar that only shows that something is going on.
    """
    from tasks.job.progress import watched_by

    if not wanted:
        yield
    elif sys.stderr.isatty() and os.environ.get("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL") == "CRITICAL":
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as bars:
            known: dict[str, TaskID] = {}

            def draw(what: str, done: int, total: int) -> None:
                counted = None if (done, total) == (0, 1) else total
                if what not in known:
                    known[what] = bars.add_task(what, total=counted)
                bars.update(known[what], completed=done, total=counted)

            with watched_by(draw):
                yield
    else:

        def say(what: str, done: int, total: int) -> None:
            if done == total:
                with suppress(OSError):  # whoever read it has gone; the work goes on
                    print(what, file=sys.stderr, flush=True)

        with watched_by(say):
            yield
