"""Stores filled by hand: runs and forecasts whole as the layout promises, without any training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from data.store.backends.base import MANIFEST, Store
from data.store.backends.local import LocalStore
from data.store.backends.open import open_store
from data.store.current import make_current, make_newest
from data.store.entries import Action, State
from data.store.manifests import FORECASTS, MODEL_FILES, PROMISED, RUNS, digest, folder, to_json

GATE: dict[str, Any] = {"outcome": "passed", "reason": "better than the best naive baseline", "checks": []}
LONG_AGO = "2024-01-01T00:00:00+00:00"


def an_id(name: str) -> str:
    """A short name in hex digits, as an id of a run."""
    return name.ljust(16, "0")


def files_of(run: str, area: str = RUNS) -> dict[str, bytes]:
    """All files of a run, forecast or backtest but its manifest; each says whose it is."""
    names = set(PROMISED[area])
    if area == RUNS:
        names |= {f"model/09-30/{name}" for name in MODEL_FILES}
    return {name: f"{run} {name}".encode() for name in sorted(names)}


def manifest_of(run: str, files: dict[str, bytes], finished_at: str, **more: Any) -> dict[str, Any]:
    """A manifest as a run has it."""
    return {
        "schema": 2, "run_id": run, "finished_at": finished_at, "crops": ["corn"], "seasons": [1990, 2020],
        "gate": dict(GATE), "inputs": {}, "settings": {"crops": [], "season": {"end": "09-30"}},
        "files": {name: {"sha256": digest(file), "size": len(file)} for name, file in files.items()},
    } | more  # fmt: skip


def write(
    store: Store,
    name: str,
    finished_at: str = LONG_AGO,
    area: str = RUNS,
    files: Mapping[str, bytes] | None = None,
    **more: Any,
) -> str:
    """A finished run, forecast or backtest, with the files that the layout promises and these; its id."""
    run = an_id(name)
    files = files_of(run, area) | dict(files or {})
    for file, content in files.items():
        store.put(f"{folder(run, area)}/{file}", content)
    store.put(f"{folder(run, area)}/{MANIFEST}", to_json(manifest_of(run, files, finished_at, **more)))
    return run


def publish(store: Store, name: str, finished_at: str = LONG_AGO, **more: Any) -> State:
    """Write a run and make it current."""
    run = write(store, name, finished_at, **more)
    return make_current(store, run, lambda *_: {"gate": GATE})


def roll_back(store: Store, name: str) -> State:
    """Make a run that is there current, withdrawing the one that is."""
    return make_current(store, an_id(name), lambda *_: {"note": "rolled back"}, Action.ROLL_BACK)


def forecast(store: Store, name: str, finished_at: str = LONG_AGO) -> State:
    """Write a forecast and make it the newest."""
    run = write(store, name, finished_at, FORECASTS, model_run_id=an_id("aa"))
    return make_newest(store, run, {"note": "a forecast"})


@pytest.fixture(params=["local", "s3"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store on this machine, then one on an object store."""
    if request.param == "local":
        yield LocalStore(tmp_path / "store")
    else:
        yield open_store(f"s3://{request.getfixturevalue('bucket')}/deep/store")


def as_first_layout(store: Path) -> str:
    """Make a store on disk one of schema 1, which had pointers and copies but no log; the current run."""
    current = json.loads((store / "current.json").read_bytes())["run_id"]
    for file in (store / "runs").glob("*/manifest.json"):
        file.write_bytes(to_json(json.loads(file.read_bytes()) | {"schema": 1}))
    predictions = (store / "predictions.parquet").read_bytes()
    for name in ("log", ".views"):
        shutil.rmtree(store / name)
    for path in store.iterdir():
        if path.is_symlink():
            path.unlink()
    old = {
        "schema": 1,
        "run_id": current,
        "published_at": "2025-01-01T00:00:00+00:00",
        "gate": {"outcome": "passed"},
    }
    (store / "current.json").write_bytes(to_json(old))
    (store / "predictions.parquet").write_bytes(predictions)
    return str(current)
