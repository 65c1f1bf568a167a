"""The bulletin of a forecast, drawn from what the store holds of it, its run, the record and the harvest."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Mapping
from typing import Any

import pandas as pd

from data.contracts.columns import OF_REGION
from data.errors import DamageError
from data.locations.uris import LOCATIONS
from data.settings.files import parse_settings
from data.settings.schema import Settings
from data.store.backends.base import Store
from data.store.entries import State, parse_entry
from data.store.log import entry_name, read_facts
from data.store.manifests import FORECASTS, read_manifest, read_published
from data.store.record import read_record_before
from data.store.stable import vouched
from tasks.publish.score import VERIFICATION
from tasks.report.bulletin import Bulletin, render_bulletin
from tasks.report.bulletin_tables import Issue, gather_bulletin
from tasks.report.geojson import GEOJSON

_TABLES = ("predictions", "drivers", "aggregates", "weights", "history", "rejected")
_SAID = ["level", "name", "year", "crop", "as_of", "predicted", "lower_80", "upper_80"]


def draw_bulletin(store: Store, number: int) -> str | None:
    """The page of a forecast's entry of the log; None where the forecast keeps too little for one.

    Raises as `read_bulletin` does.
    """
    data = read_bulletin(store, number)
    return None if data is None else render_bulletin(data)


def read_bulletin(store: Store, number: int) -> Bulletin | None:
    """What the page of a forecast's entry shows; None where the forecast keeps too little for one.

    Raises DamageError where the forecast isn't as it was published, SettingsError where this version can't
    read its settings.
    """
    state = parse_entry(store.get(entry_name(number)) or b"", number)
    if state is None or state.forecast is None:
        return None
    manifest = vouched(store, state.forecast, FORECASTS)
    files = manifest["files"]
    if any(f"{name}.parquet" not in files for name in _TABLES):
        return None
    tables = {name: _table(store, manifest, name) for name in _TABLES}
    run = str(manifest["model_run_id"])
    return gather_bulletin(
        Issue(number, state.at, state.forecast.run_id, run, _gate(store, state, run)),
        _settings(store, manifest),
        tables,
        read_published(store, manifest, GEOJSON, FORECASTS) if GEOJSON in files else None,
        _hindcasts(store, run),
        _earlier(store, number, tables["predictions"]),
        _verified(store),
        manifest["notes"],
    )


def _table(store: Store, manifest: Mapping[str, Any], name: str) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(read_published(store, manifest, f"{name}.parquet", FORECASTS)))


def _settings(store: Store, manifest: Mapping[str, Any]) -> Settings:
    """The forecast's settings; where its inputs lay is no part of them."""
    content = read_published(store, manifest, "settings.toml", FORECASTS).decode()
    return parse_settings(
        dict.fromkeys(LOCATIONS, "") | tomllib.loads(content), f"forecast {manifest['run_id']}"
    )


def _gate(store: Store, state: State, run: str) -> Mapping[str, Any]:
    """What the gate said of a run when it became current, else when it was finished."""
    entry = state.current.entry if state.current and state.current.run_id == run else 0
    found = read_facts(store, entry).get("gate") if entry else None
    return found or (read_manifest(store, run) or {}).get("gate") or {"outcome": "not known"}


def _hindcasts(store: Store, run: str) -> pd.DataFrame | None:
    """The run's aggregates, whose test seasons the evaluated model didn't know; None where they are gone."""
    try:
        manifest = read_manifest(store, run)
        content = read_published(store, manifest, "aggregates.parquet") if manifest else None
    except DamageError:
        return None
    return None if content is None else pd.read_parquet(io.BytesIO(content))


def _earlier(store: Store, number: int, predictions: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """What the forecasts before said of these seasons' larger units, oldest first, with their days.

    The first from the end that says nothing of them ends the search.
    """
    seasons = set(predictions["year"].tolist())
    found: list[tuple[str, pd.DataFrame]] = []
    for issue in read_record_before(store, number):
        frame = pd.read_parquet(
            io.BytesIO(issue.content), columns=_SAID, filters=[("level", "!=", OF_REGION)]
        )
        frame = frame[frame["year"].isin(seasons)]
        if not len(frame):
            break
        found.append((issue.at, frame))
    return found[::-1]


def _verified(store: Store) -> pd.DataFrame | None:
    """Issued forecasts whose season has been harvested, as `cropyield score` found them; None before."""
    content = store.get(VERIFICATION)
    return None if content is None else pd.read_parquet(io.BytesIO(content))
