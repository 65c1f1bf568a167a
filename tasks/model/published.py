"""Published models, read from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.errors import DamageError, SettingsError
from data.store.base import Store
from data.store.manifests import REPAIR, folder, read_manifest, read_published
from tasks.model.model import FACTS_FILE, WEIGHTS_FILE, Model


def load_model(store: Store, run: str, as_of: str) -> Model:
    """The published model of a finished run at one cut-off.

    Raises SettingsError when the run has none for that day, DamageError when its files are gone or aren't
    as they were published.
    """
    manifest = read_manifest(store, run)
    if manifest is None:
        raise DamageError(f"{store.place(folder(run))} is gone; {REPAIR}")
    days = model_days(manifest)
    if as_of not in days:
        raise SettingsError(f"run {run} has no model for {as_of}; it has {', '.join(days) or 'none at all'}")
    names = (WEIGHTS_FILE, FACTS_FILE)
    return Model.from_bytes(
        {name: read_published(store, manifest, f"model/{as_of}/{name}") for name in names}
    )


def model_days(manifest: Mapping[str, Any]) -> Sequence[str]:
    """The cut-offs that a run has models for, sorted."""
    return sorted({name.split("/")[1] for name in manifest["files"] if name.startswith("model/")})
