"""Checks of inputs and store before anything is started: footers only, no rows."""

from __future__ import annotations

import os
from pathlib import Path

from data.errors import StorageError
from data.inputs.parquet import read_footers
from data.locations.uris import is_local
from data.settings.schema import Settings
from tasks.weather.parts import partition
from tasks.yields.layout import find_layout


def check_inputs(settings: Settings) -> None:
    """Files, columns and types of all inputs, features that such weather can give, a place to write to.

    Raises InputError, SettingsError and StorageError, as the run itself would later.
    """
    partition(settings)
    find_layout(settings, read_footers(settings.yields))
    if settings.regions is not None:
        from tasks.assemble.regions import (
            read_regions,  # with pandas, which a run with nothing new does without
        )

        read_regions(settings)
    if is_local(settings.store):
        _check_writable(Path(settings.store.removeprefix("file://")))


def _check_writable(store: Path) -> None:
    there = next(folder for folder in (store, *store.parents) if folder.exists())
    if not there.is_dir():
        raise StorageError(f"can't write {store}: {there} is a file; choose another store")
    if not os.access(there, os.W_OK | os.X_OK):
        raise StorageError(f"can't write {store}: no permission in {there}; check who may write there")
