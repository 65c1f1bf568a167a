"""Which run is current and which forecast is the newest: pointers and the stable copies that follow them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.contracts.vocabulary import SCHEMA_VERSION
from data.errors import DamageError, SettingsError, StorageError
from data.store.base import Store
from data.store.manifests import (
    CURRENT,
    FORECASTS,
    PREDICTIONS,
    REPAIR,
    RUNS,
    _differs,
    finished_runs,
    folder,
    now,
    read_json,
    read_manifest,
    to_json,
)


@dataclass(frozen=True)
class Pointer:
    """A pointer at the top of the store, and the stable copy of the predictions that it leads to."""

    pointer: str
    copy: str
    area: str
    remedy: str


PUBLISHED = Pointer(CURRENT, PREDICTIONS, RUNS, REPAIR)
NEWEST_FORECAST = Pointer(
    "forecast.json", "forecasts.parquet", FORECASTS, "`cropyield forecast` makes them anew"
)


def read_current(store: Store) -> dict[str, Any] | None:
    """The pointer to the current run. Raises DamageError, naming the remedy, when it can't be one."""
    return _read_pointer(store, PUBLISHED)


def require_current(store: Store) -> str:
    """The id of the current run, which is finished.

    Raises SettingsError where nothing was published yet, DamageError where the pointer or the manifest
    that it leads to is gone.
    """
    current = read_current(store)
    if current is None:
        if not finished_runs(store):
            raise SettingsError(f"{store.place('')}: no run has been published here yet")
        raise DamageError(
            f"{store.place(CURRENT)} is gone, or was never written because a training was stopped; "
            f"repeat the training, or: {PUBLISHED.remedy}"
        )
    run: str = current["run_id"]
    if read_manifest(store, run) is None:
        raise DamageError(
            f"{store.place(CURRENT)} names run {run}, whose manifest is gone; {PUBLISHED.remedy}"
        )
    return run


def withdrawn_runs(store: Store) -> list[str]:
    """The runs that somebody rolled back from: they aren't published again on their own."""
    with contextlib.suppress(DamageError):  # such a pointer is about to be replaced
        return list((read_current(store) or {}).get("withdrawn", []))
    return []


def read_forecast_pointer(store: Store) -> dict[str, Any] | None:
    """The pointer to the newest forecast: `run_id` is its own, `model_run_id` that of the model's run."""
    return _read_pointer(store, NEWEST_FORECAST)


def _read_pointer(store: Store, pair: Pointer) -> dict[str, Any] | None:
    with contextlib.suppress(DamageError):
        pointer = read_json(store, pair.pointer)
        if pointer is None or isinstance(pointer.get("run_id"), str):
            return pointer
    raise DamageError(
        f"{store.place(pair.pointer)} was changed by something else than cropyield and names nothing "
        f"published; {pair.remedy}"
    )


def find_run(store: Store, text: str) -> dict[str, Any]:
    """The manifest of the run whose id begins with `text`, or of the current one for "current".

    Raises SettingsError when none or several do.
    """
    if text == "current":
        text = require_current(store)
    found = [run for run in store.folders(RUNS) if run.startswith(text)] if text else []
    manifests = [manifest for run in found if (manifest := read_manifest(store, run))]
    if len(manifests) != 1:
        what = "no finished run" if not manifests else f"{len(manifests)} runs"
        raise SettingsError(
            f"{store.place('')}: {what} with an id that begins with {text!r}; see `cropyield runs`"
        )
    return manifests[0]


def set_current(
    store: Store,
    run: str,
    gate: Mapping[str, Any],
    note: str | None = None,
    withdrawn: Sequence[str] = (),
) -> None:
    """Make a finished run the current one, then bring the stable predictions into agreement.

    The pointer remembers the runs that were `withdrawn` in favour of another, until one is current again.
    """
    more: dict[str, Any] = {"gate": gate}
    if held := sorted({*withdrawn_runs(store), *withdrawn} - {run}):
        more["withdrawn"] = held
    _point(store, PUBLISHED, run, more | ({"note": note} if note else {}))


def point_forecast(store: Store, forecast: str, model_run: str) -> None:
    """Make a finished forecast the newest one, then bring the stable forecasts into agreement."""
    _point(store, NEWEST_FORECAST, forecast, {"model_run_id": model_run})


def _point(store: Store, pair: Pointer, run: str, more: dict[str, Any]) -> None:
    pointer = {"schema": SCHEMA_VERSION, "run_id": run, "published_at": now()}
    store.put(pair.pointer, to_json(pointer | more))
    sync_copy(store, pair)


def sync_copy(store: Store, pair: Pointer = PUBLISHED) -> None:
    """Copy the predictions that a pointer leads to, to their stable path, until pointer and copy agree.

    Two publishers may interleave, so the pointer is read again after each copy. Raises DamageError
    when the predictions are gone or aren't those that were published; then the copy stays as it is.
    """
    while (named := _read_pointer(store, pair)) is not None:
        predictions = store.get(f"{pair.area}/{named['run_id']}/{PREDICTIONS}")
        if predictions is None:
            raise DamageError(
                f"{store.place(pair.pointer)} names {pair.area}/{named['run_id']}, whose predictions "
                f"are gone; {pair.remedy}"
            )
        if store.get(pair.copy) != predictions:
            manifest = read_manifest(store, named["run_id"], pair.area)
            if manifest and _differs(predictions, manifest["files"].get(PREDICTIONS)):
                raise DamageError(
                    f"{store.place(pair.area)}/{named['run_id']}/{PREDICTIONS} isn't as it was published; "
                    f"{pair.remedy}"
                )
            store.put(pair.copy, predictions)
        again = _read_pointer(store, pair)
        if again is not None and again["run_id"] == named["run_id"]:
            return


def repair(store: Store) -> None:
    """Make both stable copies agree with their pointers, the second one even where the first can't."""
    failures = []
    for pair in (PUBLISHED, NEWEST_FORECAST):
        try:
            sync_copy(store, pair)
        except StorageError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def read_published(store: Store, run: str, name: str) -> bytes:
    """A file of a finished run, as it was published. Raises DamageError when it is gone or differs."""
    content = store.get(f"{folder(run)}/{name}")
    manifest = read_manifest(store, run) or {"files": {}}
    if content is None or _differs(content, manifest["files"].get(name)):
        what = "is gone" if content is None else "isn't as it was published"
        raise DamageError(f"{store.place(folder(run))}/{name} {what}; {PUBLISHED.remedy}")
    return content
