"""A forecast to be made: the model it uses, whether the settings suit it, and its id."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from data.contracts.vocabulary import MAIN, SCHEMA_VERSION
from data.errors import SettingsError
from data.locations.uris import LOCATIONS
from data.settings.expand import FeatureSpec, cutoffs, expand_features
from data.settings.files import parse_settings
from data.settings.schema import Settings
from data.settings.seasons import crops_of, named_crops, of_season
from data.store.backends.base import Store
from data.store.backends.open import open_store
from data.store.current import require_current
from data.store.log import read_state
from data.store.manifests import folder, read_published
from tasks.job.job import Job, open_job


@dataclass(frozen=True)
class Trained:
    """What a forecast needs to know of the models of one season; `last_season` is their last harvest."""

    run_id: str
    crops: tuple[str, ...]
    cutoffs: tuple[str, ...]
    last_season: int
    season: str = MAIN


@dataclass(frozen=True, kw_only=True)
class ForecastJob(Job):
    """A forecast by the models of the run `model_run_id`; `trained` goes from season to what they know.

    The settings' cut-offs are those that there are models for.
    """

    model_run_id: str
    trained: dict[str, Trained]

    def crops_of(self, season: str) -> tuple[str, ...]:
        """A season's crops to forecast: those of the model that the settings select."""
        return crops_of(self.settings, season, self.trained[season].crops)

    @property
    def crops(self) -> tuple[str, ...]:
        """The crops to forecast, of all seasons."""
        return tuple(crop for season in self.trained for crop in self.crops_of(season))


def open_forecast(settings: Settings, as_of: date | None = None) -> ForecastJob:
    """Find the current model, compare features, digest the inputs and form the forecast's id.

    Raises SettingsError when there is no current model, or it was trained on other features or other
    crops; InputError and StorageError.
    """
    store = open_store(settings.store)
    state = read_state(store)
    if state.current is None:
        raise SettingsError(
            f"{store.place('')}: no model has been published here yet; `cropyield train` with these settings "
            "makes one"
        )
    current = require_current(store, state)
    run, manifest = current.run_id, current.manifest
    if manifest.get("schema") != SCHEMA_VERSION:
        raise SettingsError(
            f"run {run} was made by an earlier version of cropyield, whose models this one "
            "can't use; train again"
        )
    before = trained_settings(store, manifest, settings)
    require_same_features(settings, before, run)
    trained = {
        season: Trained(
            run, tuple(of["crops"]), cutoffs(of_season(before, season)), int(of["seasons"][1]), season
        )
        for season, of in manifest["models"].items()
    }
    seasons = {
        name: season.model_copy(update={"as_of": before.seasons[name].as_of})
        for name, season in settings.seasons.items()
    }
    settings = settings.model_copy(update={"as_of": before.as_of, "as_of_every": 0, "seasons": seasons})
    kind = f"forecast by {run}, as of {as_of or 'the newest weather'}"
    job = open_job(settings, kind=kind)
    found = {field.name: getattr(job, field.name) for field in fields(Job)}
    forecast = ForecastJob(**found | {"as_of": as_of}, model_run_id=run, trained=trained)
    if not forecast.crops:
        raise SettingsError(
            f"crops: the current model (run {run}) has none of {', '.join(named_crops(settings))}, but "
            f"{', '.join(manifest['crops'])}; train one with `cropyield train`"
        )
    return forecast


def trained_settings(store: Store, manifest: Mapping[str, Any], settings: Settings) -> Settings:
    """The settings that a run was trained with; its locations are those of `settings`.

    Raises DamageError when they are gone, SettingsError when this version can't read them.
    """
    name = f"{folder(manifest['run_id'])}/settings.toml"
    raw = tomllib.loads(read_published(store, manifest, "settings.toml").decode())
    located = {key: getattr(settings, key) for key in LOCATIONS}
    # a forecast sums up to its own settings' larger units
    return parse_settings(
        raw | located | {"aggregate": settings.aggregate.model_dump()},
        f"{store.place(name)} (written by another version of cropyield? train again)",
    )


def require_same_features(settings: Settings, trained: Settings, run: str) -> None:
    """Raise SettingsError where the settings' seasons and features aren't those that a run was trained on."""
    ours, theirs = ({name: season.crops for name, season in of.seasons.items()} for of in (settings, trained))
    if ours != theirs:
        raise SettingsError(
            f"seasons: {ours or 'none'}, but the current model (run {run}) was trained on "
            f"{theirs or 'none'}; train a model for these settings with `cropyield train`"
        )
    for name in (MAIN, *settings.seasons):
        _require_same(of_season(settings, name), of_season(trained, name), name, run)


def _require_same(settings: Settings, trained: Settings, name: str, run: str) -> None:
    section = "season" if name == MAIN else f"seasons.{name}"
    for key in ("start", "end", "year_of"):
        ours, theirs = getattr(settings.season, key), getattr(trained.season, key)
        if ours != theirs:
            raise SettingsError(
                f"{section}.{key} = {ours!r}, but the current model (run {run}) was trained on {theirs!r}; "
                "train a model for these settings with `cropyield train`"
            )
    asked = {spec.name: spec for spec in expand_features(settings)}
    known = {spec.name: spec for spec in expand_features(trained)}
    differing = [
        _difference(name, asked.get(name), known.get(name))
        for name in dict.fromkeys((*asked, *known))
        if asked.get(name) != known.get(name)
    ]
    if differing:
        more = f"; and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise SettingsError(
            f"features: {len(differing)} differ from those that the current model (run {run}) was trained "
            f"on: {'; '.join(differing[:5])}{more}. Train a model for these settings with `cropyield train`, "
            "or put the features back"
        )


def _difference(name: str, asked: FeatureSpec | None, known: FeatureSpec | None) -> str:
    if asked is None:
        return f"{name} is missing"
    if known is None:
        return f"{name} is new"
    changed = [
        f"{field.name} {_shown(getattr(asked, field.name))}, was {_shown(getattr(known, field.name))}"
        for field in fields(FeatureSpec)
        if getattr(asked, field.name) != getattr(known, field.name)
    ]
    return f"{name}: {', '.join(changed)}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):  # the days of a window
        first, last = (f"{month:02d}-{day:02d}" for month, day in (value[0], value[-1]))
        return f"{first} to {last}"
    return repr(value)
