"""The embedded server's data base kept from growing: what it remembers of runs that are long over."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

KEPT_DAYS = 30
"""The store holds what a run was; the data base only shows how it went."""
_TABLES = ("artifact_collection", "artifact", "log", "flow_run", "task_run", "event_resources", "events")
_SPARSE = 0.5  # of its pages unused: then it is written anew


def thin(database: Path, kept_days: float = KEPT_DAYS) -> int:
    """Forget runs, their pictures, logs and events from before so many days; how many rows went.

    Nothing happens where there is no data base, where it is in use for long, or is another version's.
    """
    if not database.exists():
        return 0
    until = (datetime.now(UTC) - timedelta(days=kept_days)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(database, timeout=2)) as opened,
    ):
        opened.execute("PRAGMA foreign_keys = ON")  # states and inputs go with their runs
        with opened:
            gone = sum(
                opened.execute(f"DELETE FROM {table} WHERE created < ?", (until,)).rowcount
                for table in _TABLES
            )
        (pages,), (unused,) = (
            opened.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "freelist_count")
        )
        if unused > _SPARSE * pages:
            opened.execute("VACUUM")
        return gone
    return 0
