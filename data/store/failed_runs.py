"""Records of flow runs that did not complete, below `ends/` in the store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from data.contracts.vocabulary import SCHEMA_VERSION
from data.store.backends.base import Store
from data.store.manifests import read_json, to_json

ENDS = "ends"


def record_failed_run(store: Store, end: Mapping[str, Any]) -> str:
    """Write how a flow run ended; the record's name. The same end recorded twice is one record.

    `end` has at least "flow_run_id" and "ended_at" (ISO 8601 with a zone). Readers of published data
    never look below `ends/`. Raises StorageError.
    """
    # the time comes first, so that the newest are found without reading all
    when = datetime.fromisoformat(end["ended_at"]).astimezone(UTC).strftime("%Y%m%dT%H%M%S.%f")
    name = f"{ENDS}/{when}-{end['flow_run_id']}.json"
    store.put(name, to_json({"schema": SCHEMA_VERSION, **end}))
    return name


def newest_failed_runs(store: Store, limit: int) -> list[dict[str, Any]]:
    """The newest records, oldest first. Raises StorageError when one is damaged."""
    return [end for name in store.names(ENDS)[-limit:] if (end := read_json(store, name)) is not None]


def prune_failed_runs(store: Store, keep: int) -> list[str]:
    """Remove all but the newest `keep` records; the removed names."""
    names = store.names(ENDS)
    removed = names[: max(len(names) - keep, 0)]
    for name in removed:
        store.remove(name)
    return removed
