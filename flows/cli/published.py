"""Published tables for people: `show --why`, `compare` and `export --csv` as plain functions."""

from __future__ import annotations

import contextlib
import io
import json
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.contracts.columns import OF_REGION
from data.contracts.vocabulary import MAIN
from data.errors import SettingsError
from data.locations.uris import LOCATIONS
from data.store.backends.base import Store
from data.store.backends.open import open_target
from data.store.current import find_finished
from data.store.manifests import (
    BACKTESTS,
    FORECASTS,
    PREDICTIONS,
    dataset_name,
    read_manifest,
    read_published,
)
from flows.cli.history import current_state, existing_store, find_published

if TYPE_CHECKING:
    from tasks.model.model import Model

TABLES = (
    "predictions",
    "forecasts",
    "drivers",
    "aggregates",
    "weights",
    "history",
    "evaluation",
    "dataset",
    "rejected",
)
# of which a forecast has its own; history it alone has
_OUTLOOK = ("forecasts", "drivers", "aggregates", "weights", "history")
_HISTORY = "history.parquet"
# what a spreadsheet takes for the beginning of a formula
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def why(location: str, run: str, region: str, crop: str | None) -> dict[str, Any]:
    """The newest forecast of a region: its sentence, drivers and most similar past seasons, for each crop.

    `region` is the region as the inputs write it, or, in a forecast with boundaries, its name on the map.
    For a run that is named its own predictions, of the latest season that has drivers. Raises SettingsError
    where the region or crop has none.
    """
    from tasks.outlook.drivers import most_similar, past_seasons
    from tasks.outlook.published import load_fitted
    from tasks.outlook.why import explain

    store = existing_store(location)
    area, manifest = _newest(store, run)
    drivers = _read(store, area, manifest, "drivers.parquet")
    frame = drivers.to_pandas()
    if not (frame["region"] == region).any():
        region = _of_name(store, area, manifest, frame, region)
    of_region = frame[frame["region"] == region]
    crops = list(pd.unique(of_region["crop"]))
    if crop is not None and crop not in crops:
        raise SettingsError(f"region {region}: no crop {crop!r}; there are {', '.join(crops)}")
    metadata = {key.decode(): value.decode() for key, value in (drivers.schema.metadata or {}).items()}
    said = _read(store, area, manifest, PREDICTIONS).to_pandas()
    of_run = str(said["run_id"].iloc[0])
    titles = _titles(store, area, manifest)
    found = []
    for name in [crop] if crop else crops:
        rows = of_region[of_region["crop"] == name]
        rows = rows[rows["year"] == rows["year"].max()]
        rows = rows[rows["as_of"] == rows["as_of"].iloc[-1]]
        key = {column: rows[column].iloc[0] for column in ("region", "year", "crop", "season", "as_of")}
        match = said[(said[list(key)] == pd.Series(key)).all(axis=1)].iloc[0].to_dict()
        fitted = load_fitted(
            store, of_run, str(key["season"]), str(key["as_of"]), evaluation=match["split"] != "forecast"
        )
        now = dict(zip(rows["term"], rows["contribution"], strict=True))
        past = past_seasons(fitted.model, fitted.learned, region, str(name), int(key["year"]))
        similar = most_similar({term: now[term] for term in fitted.model.features}, past)
        columns = ["year", "actual", "baseline", "distance"]
        found.append(
            {
                **{column: str(key[column]) for column in ("region", "crop", "season", "as_of")},
                "year": int(key["year"]),
                "unit": match["unit"],
                "predicted": float(match["predicted"]),
                "baseline": float(match["baseline"]),
                **explain(match, rows, metadata, titles.get(str(key["season"]), {})),
                "similar": similar[columns].astype(float).astype({"year": int}).to_dict("records"),
            }
        )
    return {"run_id": manifest["run_id"], "place": store.place(f"{area}/{manifest['run_id']}"), "why": found}


def compare(location: str, before: str, after: str) -> dict[str, Any]:
    """What changed from one forecast or run to another: each region and larger unit, in parts that add up.

    Of the coming season, as the later one knew it; `gaps` counts what both say of past ones, `alone` names
    the crops and seasons to come of which the later one alone says something. Raises SettingsError for a
    backtest, and where they have no season to come in common.
    """
    from tasks.model.published import load_model, model_days
    from tasks.outlook import comparison
    from tasks.report.bulletin import coming_rows

    store = existing_store(location)
    found = [_find(store, name) for name in (before, after)]
    for name, (area, manifest) in zip((before, after), found, strict=True):
        if area == BACKTESTS:
            raise SettingsError(
                f"{name} is a backtest, {store.place(area)}/{manifest['run_id']}, whose seasons are past; "
                "`cropyield compare` takes two forecasts or runs"
            )
    harvested = _harvested(store, *found[1])
    said, drivers = (
        [_read(store, area, manifest, name).to_pandas() for area, manifest in found]
        for name in (PREDICTIONS, "drivers.parquet")
    )
    said = [each[each["split"] == "forecast"] for each in said]
    models = [str(each["run_id"].iloc[0]) if len(each) else "" for each in said]
    trained, newest = (read_manifest(store, run) or {"files": {}} for run in models)
    inputs = [of.get("inputs", {}).get("yields", {}).get("files") for of in (trained, newest)]

    def of_season(season: str) -> pd.DataFrame:
        told = []
        for (_, manifest), frame, terms in zip(found, said, drivers, strict=True):
            own = frame[frame["season"] == season]
            days = _in_order(pd.unique(own["as_of"]).tolist(), manifest, season)
            told.append(comparison.Told.latest(own, terms[terms["season"] == season], days))
        known = model_days(trained, season)

        def old_model(as_of: str) -> Model:
            days = _in_order([*known, as_of], found[0][1], season)
            earlier = [day for day in days[: days.index(as_of) + 1] if day in known]
            return load_model(store, models[0], season, earlier[-1] if earlier else days[0])

        return comparison.compare(told[0], told[1], old_model, inputs[0] == inputs[1])

    both = [season for season in pd.unique(said[0]["season"]) if season in set(said[1]["season"])]
    regions = pd.concat([of_season(str(season)) for season in both or [MAIN]], ignore_index=True)
    key = ["year", "crop"]
    ahead = coming_rows(said[1], harvested)[key].drop_duplicates()
    both_say = len(regions)
    regions = regions.merge(ahead, on=key)
    alone = ahead[~pd.MultiIndex.from_frame(ahead).isin(pd.MultiIndex.from_frame(regions[key]))]
    gaps = both_say - len(regions)
    if not len(regions):
        past = f"; {gaps:,} forecasts of both are for gaps of past seasons" if gaps else ""
        raise SettingsError(
            f"{before} and {after} have no region, coming season and crop in common that they forecast{past}"
        )
    weights = _read(store, *found[1], "weights.parquet").to_pandas()
    units = comparison.compare_units(regions, weights)
    if "weather_until" in said[1]:  # a forecast's: each region-season and crop once
        until = said[1][["region", "year", "crop", "weather_until"]]
        regions = regions.merge(until, on=["region", "year", "crop"], how="left")
        regions["weather_until"] = regions["weather_until"].astype(str)
    return {
        "before": found[0][1]["run_id"],
        "after": found[1][1]["run_id"],
        "models": models,
        "gaps": gaps,
        "alone": [f"{crop} {year}" for crop, year in zip(alone["crop"], alone["year"], strict=True)],
        "totals": comparison.totals(regions),
        "aggregates": units.astype(object).where(units.notna(), None).to_dict("records"),
        "regions": regions.astype(object).where(regions.notna(), None).to_dict("records"),
    }


def _harvested(store: Store, area: str, manifest: Mapping[str, Any]) -> pd.DataFrame:
    """The yields that a forecast or run knew: region, year, crop."""
    columns = ["region", "year", "crop"]
    if area == FORECASTS and _HISTORY in manifest["files"]:
        history = _read(store, area, manifest, _HISTORY).to_pandas().rename(columns={"name": "region"})
        return pd.DataFrame(history.loc[history["level"] == OF_REGION, columns])
    said = _read(store, area, manifest, PREDICTIONS).to_pandas()
    return pd.DataFrame(said.loc[said["actual"].notna(), columns])


def _in_order(days: list[str], manifest: Mapping[str, Any], season: str) -> list[str]:
    """Cut-off days in the order of a season of a run."""
    settings = manifest["settings"]
    start = (settings["season"] if season == MAIN else settings["seasons"][season])["start"]
    return sorted(set(days), key=lambda day: (day < start, day))


def export_csv(location: str, run: str, table: str, file: str, season: str | None = None) -> dict[str, Any]:
    """Write a published table as CSV (UTF-8 with a byte order mark, as spreadsheets want it).

    Text that a spreadsheet would take for a formula gets an apostrophe before it. Raises SettingsError for a
    table or a folder that isn't there.
    """
    if table not in TABLES:
        raise SettingsError(f"--csv {table}: no such table; there are {', '.join(TABLES)}")
    place, target = open_target(file)
    store = existing_store(location)
    area, manifest = (_newest if table in _OUTLOOK else _find)(store, run)
    if table in ("forecasts", "history") and area != FORECASTS and run == "current":
        raise SettingsError(
            f"{store.place('')}: no forecast has been published here yet; `cropyield forecast`"
        )
    name = {"forecasts": PREDICTIONS, "dataset": dataset_name(season or MAIN)}.get(table, f"{table}.parquet")
    frame = _read(store, area, manifest, name).to_pandas()
    if table == "forecasts":
        frame = _coming_first(frame, _harvested(store, area, manifest))
    frame = guarded(frame)
    content = frame.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")
    place.put(target, content)
    return {
        "run_id": manifest["run_id"], "table": table, "file": place.place(target), "rows": len(frame),
        "size": len(content),
    }  # fmt: skip


def _coming_first(frame: pd.DataFrame, harvested: pd.DataFrame) -> pd.DataFrame:
    """Forecasts, those of the season to come before the gaps of past ones."""
    from tasks.report.bulletin import coming_rows

    coming = coming_rows(frame, harvested)
    return pd.concat([coming, frame.drop(coming.index)])


def guarded(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with texts, column names among them, that no spreadsheet takes for a formula."""
    safe = frame.rename(columns=_guard)
    for name in safe.columns:
        if safe[name].dtype == object or isinstance(safe[name].dtype, pd.StringDtype):
            safe[name] = safe[name].map(_guard, na_action="ignore")
    return safe


def _guard(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _newest(store: Store, run: str) -> tuple[str, Mapping[str, Any]]:
    """The newest forecast, or where there is none the current run; or what is named."""
    state, _ = current_state(store)
    if run == "current" and state.forecast:
        found = find_finished(store, state, state.forecast.run_id, FORECASTS)
        if found is not None:
            return FORECASTS, found.manifest
    return _find(store, run)


def _find(store: Store, run: str) -> tuple[str, Mapping[str, Any]]:
    area, found = find_published(store, current_state(store)[0], run)
    return area, found.manifest


def _read(store: Store, area: str, manifest: Mapping[str, Any], name: str) -> pa.Table:
    if name not in manifest["files"]:
        place = f"{area}/{manifest['run_id']}/{name}"
        raise SettingsError(f"{store.place(place)}: this {area.rstrip('s')} has no such table")
    return pq.read_table(io.BytesIO(read_published(store, manifest, name, area)))


def _of_name(store: Store, area: str, manifest: Mapping[str, Any], frame: pd.DataFrame, name: str) -> str:
    """The region that the forecast's map calls so. Raises SettingsError where none or several are."""
    from tasks.report.geojson import GEOJSON

    known, names = pd.unique(frame["region"]).tolist(), dict[str, str]()
    if area == FORECASTS and GEOJSON in manifest["files"]:
        shapes = json.loads(read_published(store, manifest, GEOJSON, area))["features"]
        names = {each["properties"]["region"]: each["properties"]["name"] for each in shapes}
    found = [region for region in known if names.get(region) == name]
    if len(found) == 1:
        return str(found[0])
    place = f"{store.place(area)}/{manifest['run_id']}"
    if found:
        raise SettingsError(f"{place}: {len(found)} regions are called {name!r}: {', '.join(found)}")
    aggregates = "aggregates.parquet"
    if (
        aggregates in manifest["files"]
        and name in _read(store, area, manifest, aggregates)["name"].to_pylist()
    ):
        raise SettingsError(
            f"{name} is made of regions, of which --why takes one; the bulletin shows what drives the country"
        )
    raise SettingsError(
        f"{place}: no region {name!r}{_near([*known, *filter(None, names.values())], known, name)}"
    )


def _titles(store: Store, area: str, manifest: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Features of each season as people call them, by their names; none where an earlier version set them."""
    from data.settings.files import parse_settings
    from data.settings.seasons import of_season, season_names
    from tasks.report.terms import term_titles

    content = tomllib.loads(read_published(store, manifest, "settings.toml", area).decode())
    with contextlib.suppress(SettingsError):
        settings = parse_settings(dict.fromkeys(LOCATIONS, "") | content, f"{area} {manifest['run_id']}")
        return {name: term_titles(of_season(settings, name)) for name in season_names(settings)}
    return {}


def _near(spellings: list[str], known: list[str], region: str) -> str:
    import difflib

    near = difflib.get_close_matches(region, spellings, n=3, cutoff=0.5)
    listed = ", ".join(map(repr, near or known[:5]))
    return f"; did you mean {listed}?" if near else f"; there are {len(known):,}, such as {listed}"
