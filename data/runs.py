"""The store's layout: run ids, manifests, the pointer, and the history they make."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from data import machine
from data.errors import DamageError, SettingsError
from data.settings import LOCATIONS, Settings, dump_settings
from data.storage import Store

CURRENT, PREDICTIONS, MANIFEST = "current.json", "predictions.parquet", "manifest.json"
RUNS, BACKTESTS, WORK = "runs", "backtests", ".work"
DAY_S = 86_400.0
_NOT_IN_ID: dict[str, Any] = {
    **dict.fromkeys((*LOCATIONS, "runner", "runner_address", "gate"), True),
    "training": {"device": True},
}


def run_id(settings: Settings, inputs: Mapping[str, Sequence[Mapping[str, Any]]], kind: str = "train") -> str:
    """16 hex digits over all that a run's files depend on.

    `inputs` maps an input's name to its files with "name" and "sha256". Locations, runner and gate
    are left out: the same data elsewhere is the same run.
    """
    parts = {
        "kind": kind,
        "inputs": {
            name: [[file["name"], file["sha256"]] for file in files] for name, files in inputs.items()
        },
        "settings": json.loads(settings.model_dump_json(exclude=_NOT_IN_ID)),
        "source": machine.source_digest(),
        "versions": machine.versions(),
        "device": machine.device_class(settings.training.device),
        "cpu": machine.cpu_capability(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def run_settings(settings: Settings) -> str:
    """The part of the settings that a run's files depend on, as TOML."""
    return dump_settings(settings, without=_NOT_IN_ID)


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


def read_manifest(store: Store, run: str) -> dict[str, Any] | None:
    """The manifest of a run; None: for readers the run doesn't exist."""
    return read_json(store, f"{folder(run)}/{MANIFEST}")


def read_current(store: Store) -> dict[str, Any] | None:
    """The pointer to the current run. Raises DamageError, naming the remedy, when it can't be one."""
    with contextlib.suppress(DamageError):
        pointer = read_json(store, CURRENT)
        if pointer is None or isinstance(pointer.get("run_id"), str):
            return pointer
    raise DamageError(
        f"{store.place(CURRENT)} was changed by something else than cropyield and names no run; "
        "`cropyield runs` lists the runs and `cropyield rollback` makes one of them current again"
    )


def withdrawn_runs(store: Store) -> list[str]:
    """The runs that somebody rolled back from: they aren't published again on their own."""
    with contextlib.suppress(DamageError):  # such a pointer is about to be replaced
        return list((read_current(store) or {}).get("withdrawn", []))
    return []


def finished_runs(store: Store) -> list[dict[str, Any]]:
    """The manifests of all finished runs, oldest first."""
    manifests = [read_manifest(store, run) for run in store.folders(RUNS)]
    return sorted((m for m in manifests if m), key=lambda m: (m["finished_at"], m["run_id"]))


def find_run(store: Store, text: str) -> dict[str, Any]:
    """The manifest of the run whose id begins with `text`, or of the current one for "current".

    Raises SettingsError when none or several do.
    """
    if text == "current":
        current = read_current(store)
        if current is None:
            raise SettingsError(f"{store.place('')}: no run has been published here yet")
        text = current["run_id"]
    found = [run for run in store.folders(RUNS) if run.startswith(text)] if text else []
    manifests = [manifest for run in found if (manifest := read_manifest(store, run))]
    if len(manifests) != 1:
        what = "no finished run" if not manifests else f"{len(manifests)} runs"
        raise SettingsError(
            f"{store.place('')}: {what} with an id that begins with {text!r}; see `cropyield runs`"
        )
    return manifests[0]


def point(
    store: Store,
    run: str,
    gate: Mapping[str, Any],
    note: str | None = None,
    withdrawn: Sequence[str] = (),
) -> None:
    """Make a finished run the current one, then bring the stable predictions into agreement.

    The pointer remembers the runs that were `withdrawn` in favour of another, until one is current again.
    """
    from data.contracts import SCHEMA_VERSION  # brings pyarrow, which reading the history does without

    pointer = {"schema": SCHEMA_VERSION, "run_id": run, "published_at": now(), "gate": gate}
    if held := sorted({*withdrawn_runs(store), *withdrawn} - {run}):
        pointer["withdrawn"] = held
    store.put(CURRENT, to_json(pointer | ({"note": note} if note else {})))
    follow(store)


def follow(store: Store) -> None:
    """Copy the current run's predictions to their stable path, until pointer and copy agree.

    Two publishers may interleave, so the pointer is read again after each copy.
    """
    while (current := read_current(store)) is not None:
        predictions = store.get(f"{folder(current['run_id'])}/{PREDICTIONS}")
        if predictions is None:
            raise DamageError(
                f"{store.place(CURRENT)} names run {current['run_id']}, whose predictions are gone; "
                "`cropyield runs` lists the others and `cropyield rollback` makes one of them current"
            )
        if store.get(PREDICTIONS) != predictions:
            store.put(PREDICTIONS, predictions)
        again = read_current(store)
        if again is not None and again["run_id"] == current["run_id"]:
            return


def damaged(store: Store, manifest: Mapping[str, Any]) -> list[str]:
    """What of a run isn't as its manifest says: one sentence a file; empty when all is well."""
    faults = []
    for name, facts in manifest["files"].items():
        content = store.get(f"{folder(manifest['run_id'])}/{name}")
        if content is None:
            faults.append(f"{name}: missing")
        elif hashlib.sha256(content).hexdigest() != facts["sha256"]:
            faults.append(f"{name}: {len(content)} bytes that differ from the {facts['size']} published")
    return faults


def prune(store: Store, keep: int) -> list[str]:
    """Remove all but the newest `keep` runs, and abandoned work older than a day; the removed names.

    The current run stays whatever its age.
    """
    follow(store)
    current = (read_current(store) or {}).get("run_id")
    others = [manifest["run_id"] for manifest in finished_runs(store) if manifest["run_id"] != current]
    kept = max(keep - (1 if current else 0), 0)
    removed = others[: len(others) - kept] if kept else others
    for run in removed:
        # the manifest goes first: from then on the run doesn't exist for readers
        store.remove(f"{folder(run)}/{MANIFEST}")
        store.remove(folder(run))
    for area in (RUNS, WORK):
        for run in store.folders(area):
            name = f"{area}/{run}"
            half = area == WORK or read_manifest(store, run) is None
            if half and (store.age(name) or 0.0) > DAY_S:
                store.remove(name)
                removed.append(name)
    return removed + store.sweep(DAY_S)


def now() -> str:
    """The time in UTC, to the microsecond, as ISO 8601."""
    return datetime.now(UTC).isoformat()
