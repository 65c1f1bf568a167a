"""Published models, read from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.errors import DamageError, SettingsError
from data.settings.seasons import Cutoff
from data.store.backends.base import Store
from data.store.manifests import REPAIR, folder, read_manifest, read_published
from tasks.model.fits import PUBLISHED
from tasks.model.model import FACTS_FILE, WEIGHTS_FILE, Model


def load_model(store: Store, run: str, season: str, as_of: str, fit: str = PUBLISHED) -> Model:
    """A model of a finished run for one season and cut-off, by default the published fit.

    Raises SettingsError when the run has none for that day, DamageError when its files are gone or aren't
    as they were published.
    """
    manifest = read_manifest(store, run)
    if manifest is None:
        raise DamageError(f"{store.place(folder(run))} is gone; {REPAIR}")
    days = model_days(manifest, season)
    if as_of not in days:
        raise SettingsError(
            f"run {run} has no model for {Cutoff(season, as_of)}; it has {', '.join(days) or 'none at all'}"
        )
    place = f"model/{season}/{as_of}" + ("" if fit == PUBLISHED else f"/{fit}")
    names = WEIGHTS_FILE, FACTS_FILE
    return Model.from_bytes({name: read_published(store, manifest, f"{place}/{name}") for name in names})


def model_days(manifest: Mapping[str, Any], season: str) -> Sequence[str]:
    """The cut-offs that a run has models of a season for, sorted."""
    places = [name.split("/") for name in manifest["files"] if name.startswith(f"model/{season}/")]
    return sorted({place[2] for place in places})
