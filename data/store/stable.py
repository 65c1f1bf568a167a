"""Stable paths at the top of a store, `current.json` and `forecast.json`: all that is derived from the log.

On this machine they are links through one link, `.views/current`, which a rename switches: they always
agree with each other, and whoever resolves that link once reads files of one publication. On object
stores they are copies.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.contracts.vocabulary import SCHEMA_VERSION
from data.errors import DamageError
from data.locations.failures import storage_errors
from data.store.backends.base import TEMPORARY, Store
from data.store.backends.local import LocalStore, flush_folder, make_folder, write_flushed
from data.store.bulletins import NEWEST, bulletin_name
from data.store.entries import Instance, State
from data.store.log import read_facts, read_state
from data.store.manifests import (
    CURRENT,
    FORECAST,
    FORECASTS,
    PREDICTIONS,
    REPAIR,
    RUNS,
    digest,
    folder,
    load_manifest,
    to_json,
)
from data.store.record import complete_record

VIEWS = ".views"
_CURRENT_VIEW = "current"
# where the files of a run, and of a forecast, appear; where both have one it is the forecast's
STABLE: Mapping[str, Mapping[str, str]] = {
    RUNS: {name: name for name in (PREDICTIONS, "drivers.parquet", "aggregates.parquet")},
    FORECASTS: {
        "forecasts.parquet": PREDICTIONS,
        **{name: name for name in ("drivers.parquet", "aggregates.parquet")},
    },
}
_NAMES = sorted({CURRENT, FORECAST, NEWEST, *STABLE[RUNS], *STABLE[FORECASTS]})


@dataclass
class View:
    """What the top of the store is to show: JSON for readers; files of the store with their SHA-256.

    `faults` says of an area why its files can't be shown.
    """

    pointers: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    faults: dict[str, DamageError] = field(default_factory=dict)

    def refuse(self, store: Store, name: str) -> None:
        """Leave a file out that isn't as it was published."""
        area, place, _ = self.files.pop(name)
        remedy = REPAIR if area == RUNS else "`cropyield forecast` makes them anew"
        self.faults[area] = DamageError(
            f"{store.place(place)} is gone or isn't as it was published; {remedy}"
        )


def derive(store: Store, state: State) -> dict[str, DamageError]:
    """Bring what is derived into agreement with the log, the record first; `state` is the last known.

    The caller holds the store's lock. Returns what can't be shown as the log says: its area, and why.
    """
    while True:
        complete_record(store, state)
        view = _view(store, state)
        if isinstance(store, LocalStore):
            _switch(store, view, state.number)
        else:
            _copy(store, view)
        # without a lock another writer may have gone on meanwhile, and this one have spoilt its copies
        last = read_state(store)
        if last.number == state.number:
            return view.faults
        state = last


def _view(store: Store, state: State) -> View:
    view = View()
    view.pointers[CURRENT] = to_json(_current(store, state))
    for area, instance in ((RUNS, state.current), (FORECASTS, state.forecast)):
        if instance is None:
            continue
        manifest: Mapping[str, Any] = {"files": {}}
        try:
            manifest = vouched(store, instance, area)
        except DamageError as error:
            view.faults[area] = error
        for name, file in STABLE[area].items():
            if facts := manifest["files"].get(file):
                view.files[name] = area, f"{folder(instance.run_id, area)}/{file}", facts["sha256"]
        if area == FORECASTS:
            more = {"model_run_id": manifest.get("model_run_id")}
            view.pointers[FORECAST] = to_json(_pointer(store, instance) | more)
            page = store.get(bulletin_name(instance.entry))
            if page is not None:  # in no manifest
                view.files[NEWEST] = area, bulletin_name(instance.entry), digest(page)
    return view


def vouched(store: Store, instance: Instance, area: str = RUNS) -> dict[str, Any]:
    """The manifest of what an entry names, as it was then. Raises DamageError."""
    found = load_manifest(store, instance.run_id, area)
    if found is None or found[1] != instance.manifest:
        what = "is gone" if found is None else "isn't the one that was published"
        raise DamageError(f"{store.place(folder(instance.run_id, area))}: its manifest {what}; {REPAIR}")
    return found[0]


def _current(store: Store, state: State) -> dict[str, Any]:
    """`current.json`; without a run where none is current yet."""
    if state.current is None:
        return {"schema": SCHEMA_VERSION, "number": state.number, "run_id": None}
    more = {"withdrawn": sorted(state.withdrawn)} if state.withdrawn else {}
    return {**_pointer(store, state.current), "number": state.number, **more}


def _pointer(store: Store, instance: Instance) -> dict[str, Any]:
    facts = read_facts(store, instance.entry)
    return {
        "schema": SCHEMA_VERSION,
        "run_id": instance.run_id,
        "manifest": instance.manifest,
        "published_at": facts.get("published_at") or facts.get("at"),
        **{key: facts[key] for key in ("gate", "note") if key in facts},
    }


def _copy(store: Store, view: View) -> None:
    for name, (_, place, sha256) in list(view.files.items()):
        if digest(store.get(name) or b"") == sha256:
            continue
        content = store.get(place)
        if content is None or digest(content) != sha256:
            view.refuse(store, name)
        else:
            store.put(name, content)
    for name in _NAMES:
        if name not in {*view.files, *view.pointers} and store.get(name) is not None:
            store.remove(name)
    for name, content in view.pointers.items():
        if store.get(name) != content:
            store.put(name, content)


def _switch(store: LocalStore, view: View, number: int) -> None:
    views = store.root / VIEWS
    with storage_errors("write", str(views)):
        if views.exists() and not views.is_dir():  # something else made it; the links are made anew
            views.rename(_aside(views))
        make_folder(views)
        if not _is_shown(views / _CURRENT_VIEW, view):
            made = Path(tempfile.mkdtemp(prefix=".", suffix=TEMPORARY, dir=views))
            made.chmod(0o755)
            for name, (_, place, sha256) in list(view.files.items()):
                if not _is_linked(store.root / place, made / name, sha256):
                    view.refuse(store, name)
            for name, content in view.pointers.items():
                write_flushed(made / name, content)
            flush_folder(made)
            target = views / f"{number:08d}-{secrets.token_hex(4)}"
            made.rename(target)
            flush_folder(views)
            if (views / _CURRENT_VIEW).is_dir():
                os.utime(views / _CURRENT_VIEW)  # from now on it grows old
            _link(views / _CURRENT_VIEW, target.name)
        for name in _NAMES:
            if name in view.files or name in view.pointers:
                _link(store.root / name, f"{VIEWS}/{_CURRENT_VIEW}/{name}")
            else:
                (store.root / name).unlink(missing_ok=True)


def _is_shown(shown: Path, view: View) -> bool:
    def content(name: str) -> bytes | None:
        file = shown / name
        return file.read_bytes() if file.is_file() else None

    return (
        shown.is_dir()
        and {file.name for file in shown.iterdir()} == {*view.files, *view.pointers}
        and all(content(name) == wanted for name, wanted in view.pointers.items())
        and all(digest(content(name) or b"") == sha256 for name, (_, _, sha256) in view.files.items())
    )


def _is_linked(source: Path, target: Path, sha256: str) -> bool:
    """Whether a file could be shown: a hard link, so that it stays for its readers when its run is pruned."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        return False
    except OSError:  # another user's file, or another file system
        shutil.copyfile(source, target)
    if digest(target.read_bytes()) == sha256:
        # who writes to a stable path by mistake would write to the run's own file
        with contextlib.suppress(PermissionError):
            target.chmod(0o444)
        return True
    target.unlink()
    return False


def _link(link: Path, target: str) -> None:
    """Make a symbolic link at once, whatever was there."""
    if link.is_symlink() and str(link.readlink()) == target:
        return
    temporary = _aside(link)
    if link.is_dir() and not link.is_symlink():  # of a store that was copied without its links
        link.rename(_aside(link))
    temporary.symlink_to(target)
    os.replace(temporary, link)  # noqa: PTH105  one name for the fault-injecting tests
    flush_folder(link.parent)


def _aside(path: Path) -> Path:
    """A temporary name beside a path."""
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}{TEMPORARY}")


def sweep_views(store: Store, older_than_s: float) -> list[str]:
    """Remove views that were switched away from so long ago that nobody reads them; their names."""
    if not isinstance(store, LocalStore):
        return []
    shown = store.root / VIEWS / _CURRENT_VIEW
    kept = {shown.readlink().name} if shown.is_symlink() else set()
    names = [f"{VIEWS}/{name}" for name in store.folders(VIEWS) if name not in {*kept, _CURRENT_VIEW}]
    old = [name for name in names if (store.age(name) or 0.0) > older_than_s]
    for name in old:
        store.remove(name)
    return old
