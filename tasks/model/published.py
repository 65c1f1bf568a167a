"""Published models, read from the store."""

from __future__ import annotations

from collections.abc import Sequence

from data.errors import SettingsError
from data.settings.seasons import Cutoff
from data.store.base import Store
from data.store.manifests import folder
from data.store.pointers import read_published
from tasks.model.model import FACTS_FILE, WEIGHTS_FILE, Model


def load_model(store: Store, run: str, season: str, as_of: str) -> Model:
    """The published model of a finished run for one season and cut-off.

    Raises SettingsError when the run has none for that day, DamageError when its files are gone or aren't
    as they were published.
    """
    days = model_days(store, run, season)
    if as_of not in days:
        raise SettingsError(
            f"run {run} has no model for {Cutoff(season, as_of)}; it has {', '.join(days) or 'none at all'}"
        )
    place, names = f"model/{season}/{as_of}", (WEIGHTS_FILE, FACTS_FILE)
    return Model.from_bytes({name: read_published(store, run, f"{place}/{name}") for name in names})


def model_days(store: Store, run: str, season: str) -> Sequence[str]:
    """The cut-offs that a run has models for, as its folders are sorted."""
    return store.folders(f"{folder(run)}/model/{season}")
