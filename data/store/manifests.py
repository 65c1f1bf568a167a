"""Manifests: the finished runs, forecasts and backtests of a store."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from data.contracts.vocabulary import MAIN
from data.errors import DamageError
from data.store.base import MANIFEST, Store

CURRENT, PREDICTIONS = "current.json", "predictions.parquet"
RUNS, FORECASTS, BACKTESTS, WORK = "runs", "forecasts", "backtests", ".work"
DAY_S = 86_400.0
REPAIR = (
    "`cropyield train` with --force computes it anew, or `cropyield rollback` makes another one current "
    "(`cropyield runs` lists them)"
)


def folder(run: str) -> str:
    """The folder of a run in its store."""
    return f"{RUNS}/{run}"


def to_json(value: Any) -> bytes:
    """JSON for people and machines: sorted keys, indented, numbers that can't be had are null."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def read_json(store: Store, name: str) -> dict[str, Any] | None:
    """A JSON object of the store, None where there is none. Raises DamageError when it is something else."""
    content = store.get(name)
    if content is None:
        return None
    with contextlib.suppress(ValueError):
        value = json.loads(content)
        if isinstance(value, dict):
            return value
    raise DamageError(
        f"{store.place(name)}: not a JSON object; it was changed by something else than cropyield"
    )


def read_manifest(store: Store, run: str, area: str = RUNS) -> dict[str, Any] | None:
    """The manifest of a run; None: for readers the run doesn't exist. Raises DamageError when it is none."""
    name = f"{area}/{run}/{MANIFEST}"
    with contextlib.suppress(DamageError):
        manifest = read_json(store, name)
        if manifest is None or manifest.keys() >= {"run_id", "finished_at", "files"}:
            return manifest
    raise DamageError(
        f"{store.place(name)} was changed by something else than cropyield and is no manifest; {REPAIR}"
    )


def finished_runs(store: Store, area: str = RUNS) -> list[dict[str, Any]]:
    """The manifests of all finished runs, or forecasts or backtests, oldest first."""
    manifests = [read_manifest(store, run, area) for run in store.folders(area)]
    return sorted((m for m in manifests if m), key=lambda m: (m["finished_at"], m["run_id"]))


def damaged(store: Store, manifest: Mapping[str, Any], area: str = RUNS) -> list[str]:
    """What of a run isn't as its manifest says: one sentence a file; empty when all is well."""
    faults = []
    for name, facts in manifest["files"].items():
        content = store.get(f"{area}/{manifest['run_id']}/{name}")
        if content is None:
            faults.append(f"{name}: missing")
        elif _differs(content, facts):
            faults.append(f"{name}: {len(content)} bytes that differ from the {facts['size']} published")
    return faults


def _differs(content: bytes, facts: Mapping[str, Any] | None) -> bool:
    return facts is not None and hashlib.sha256(content).hexdigest() != facts["sha256"]


def now() -> str:
    """The time in UTC, to the microsecond, as ISO 8601."""
    return datetime.now(UTC).isoformat()


def dataset_name(season: str) -> str:
    """The file of a season's features and yields in a run's folder."""
    return "dataset.parquet" if season == MAIN else f"dataset-{season}.parquet"


def crop_units(store: Store, run: str) -> dict[str, str | None]:
    """The unit of each crop that a run has modelled; without those whose model file is gone."""
    metrics = read_json(store, f"{folder(run)}/metrics.json") or {}
    units: dict[str, str | None] = {}
    for season, of in metrics.get("seasons", {}).items():
        full = list(of["as_of"])[-1]
        model = read_json(store, f"{folder(run)}/model/{season}/{full}/model.json") or {}
        units |= dict(zip(model.get("crops", ()), model.get("crop_units", ()), strict=False))
    return units
