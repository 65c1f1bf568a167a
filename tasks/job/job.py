"""A run to be made: its settings, its inputs as they are now, and the id that follows from both."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from data.inputs.listing import list_files
from data.settings.files import located
from data.settings.schema import Settings
from data.store.backends.base import Store
from data.store.backends.open import open_store
from data.store.current import find_finished
from data.store.log import read_state
from data.store.manifests import now
from data.store.work import Work, forced_name
from tasks.job.digest import InputFile, digest_inputs, verify_inputs
from tasks.job.identity import run_id, run_settings

INPUTS = ("weather", "yields", "regions")


@dataclass(frozen=True)
class Job:
    """One run: small, frozen, and all that a task needs to find its files.

    `as_of`: only weather up to this day counts; None: all there is.
    """

    settings: Settings
    run_id: str
    work_name: str
    weather: tuple[InputFile, ...]
    yields: tuple[InputFile, ...]
    started_at: str
    as_of: date | None = None
    regions: tuple[InputFile, ...] = ()

    @property
    def store(self) -> Store:
        """Where the run will be published."""
        return open_store(self.settings.store)

    @property
    def work(self) -> Work:
        """Where its finished steps lie."""
        return Work(self.store, self.work_name)

    def inputs(self) -> dict[str, list[dict[str, Any]]]:
        """Input files with size and digest, for run id and manifest."""
        given = {"weather": self.weather, "yields": self.yields, "regions": self.regions}
        return {
            name: [asdict(file) for file in files]
            for name, files in given.items()
            if getattr(self.settings, name) is not None
        }

    def verify(self) -> None:
        """Raise InputError when an input changed since its files were digested."""
        for name in self.inputs():
            verify_inputs(getattr(self.settings, name), getattr(self, name))


def could_be_current(settings: Settings) -> bool:
    """Whether a run with these settings and inputs could be current, or withdrawn, before any digest.

    False only where it can't: there is none, its settings are others, or its files had other names or
    sizes. Raises InputError for an input that is missing, StorageError.
    """
    given = {name: getattr(settings, name) for name in INPUTS}
    listed = {name: list_files(location) for name, location in given.items() if location is not None}
    store = open_store(settings.store)
    state = read_state(store)
    current = find_finished(store, state, state.current.run_id) if state.current else None
    if current is None:
        return False
    manifest = current.manifest
    if state.withdrawn:
        return True  # one of these, whose answer is as quick
    alike = hashlib.sha256(run_settings(settings).encode()).hexdigest() == manifest["settings_digest"]
    return (
        alike
        and listed.keys() == manifest["inputs"].keys()
        and all(
            [(file.name, file.size) for file in files]
            == [(file["name"], file["size"]) for file in manifest["inputs"][name]["files"]]
            for name, files in listed.items()
        )
    )


def open_job(settings: Settings, force: bool = False, kind: str = "train") -> Job:
    """Digest the inputs and form the run id. Raises InputError and StorageError.

    Digests that this process has formed before are taken over. From here on locations are absolute,
    whatever folder a task runs in: a deployment's are relative to its working directory.
    """
    settings = located(settings, Path())
    given = {name: getattr(settings, name) for name in INPUTS}
    files = {
        name: digest_inputs(location, known=True) for name, location in given.items() if location is not None
    }
    run = run_id(settings, {name: [asdict(file) for file in found] for name, found in files.items()}, kind)
    return Job(
        settings, run, forced_name(run) if force else run, files["weather"], files["yields"], now(),
        regions=files.get("regions", ()),
    )  # fmt: skip
