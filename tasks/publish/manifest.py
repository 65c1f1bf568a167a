"""Files of a published folder, its manifest last."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from data.contracts.parquet import write_table
from data.contracts.vocabulary import SCHEMA_VERSION
from data.locations.uris import LOCATIONS, redact_uri
from data.store.backends.base import Store
from data.store.current import settle_manifest
from data.store.manifests import folder, now
from tasks.job import machine
from tasks.job.identity import run_settings
from tasks.job.job import Job


def put_whole(
    store: Store, area: str, files: Mapping[str, bytes], facts: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Write the files of a forecast or backtest and, after them, its manifest, which is returned.

    It says the `facts` and the files' digests.
    """
    for name, content in sorted(files.items()):
        store.put(f"{folder(facts['run_id'], area)}/{name}", content)
    return settle_manifest(store, area, {**facts, "files": digests(files)})


def digests(files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """SHA-256 and size of every file."""
    return {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in sorted(files.items())
    }


def origin(job: Job, kind: str) -> dict[str, Any]:
    """What any manifest says of how files came about: inputs, settings, versions, code, machine."""
    settings = job.settings
    return {
        "schema": SCHEMA_VERSION,
        "run_id": job.run_id,
        "kind": kind,
        "started_at": job.started_at,
        "finished_at": now(),
        "inputs": {
            name: {"location": redact_uri(getattr(settings, name)), "files": files}
            for name, files in job.inputs().items()
        },
        "versions": machine.versions(),
        "device": machine.device_class(settings.training.device),
        "code": machine.code_version(),
        "settings": settings.model_dump(mode="json", exclude={*LOCATIONS}),
        "settings_digest": hashlib.sha256(run_settings(settings).encode()).hexdigest(),
        "machine": machine.facts(),
    }


def parquet(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = io.BytesIO()
    write_table(table, sink)
    return sink.getvalue()
