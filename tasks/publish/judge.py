"""The gate applied to a finished run: reads it and the current one from the store, each time anew."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from data.contracts.columns import REGION, SEASON_YEAR, SPLIT
from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import SCHEMA_VERSION, SplitName
from data.settings.schema import Gate as GateSettings
from data.settings.seasons import Cutoff
from data.store.backends.base import Store
from data.store.current import Finished, require_current
from data.store.entries import State
from data.store.manifests import dataset_name, parse_json, read_published
from tasks.model.fits import EVALUATED
from tasks.publish.gate import Comparison, Gate, Judged, compare, judge

if TYPE_CHECKING:
    from tasks.model.model import Model


Read = Callable[[str], bytes | None]
"""A file of a run that is about to be judged, or is current; None where the run has no such file."""


def judge_run(read: Read, store: Store, state: State, run: str, settings: GateSettings) -> Gate:
    """Judge a run by its full seasons, against the run that is current in a state of the store.

    Raises DamageError when a file isn't as it was published.
    """
    metrics = parse_json(read("metrics.json") or b"") or {}
    judged = {}
    for season, of in metrics["seasons"].items():
        full = list(of["as_of"])[-1]
        against = _against_current(read, store, state, run, season, full)
        judged[season] = Judged(of["as_of"][full], of["breaks"], against)
    return judge(judged, settings)


def reader(store: Store, finished: Finished) -> Read:
    """The files of a finished run, as its manifest vouches for them."""
    listed = finished.manifest["files"]
    return lambda name: read_published(store, finished.manifest, name) if name in listed else None


def described(gate: Gate) -> dict[str, Any]:
    """The gate as manifests and pointers hold it."""
    return {
        "outcome": str(gate.outcome),
        "reason": gate.sentence,
        "checks": [asdict(check) | {"outcome": str(check.outcome)} for check in gate.checks],
    }


def _against_current(
    read: Read, store: Store, state: State, run: str, season: str, as_of: str
) -> Comparison | None:
    if state.current is None:
        return None
    if state.current.run_id == run:
        return Comparison({}, "this is the current model")
    current = require_current(store, state)
    if current.manifest.get("schema") != SCHEMA_VERSION:
        return Comparison({}, f"run {current.run_id} was made by an earlier version of cropyield")
    read_current = reader(store, current)
    ours, theirs = (_evaluation_fit(each, season, as_of) for each in (read, read_current))
    if theirs is None or ours is None:
        holds = current.run_id if ours else run
        return Comparison({}, f"run {holds} holds no model for {Cutoff(season, as_of)}")
    our_rows, their_rows = (
        _dataset(each, season, model) for each, model in ((read, ours), (read_current, theirs))
    )
    trained = (our_rows.of_split(SplitName.TRAIN), their_rows.of_split(SplitName.TRAIN))
    return compare(ours, theirs, our_rows, *trained, (ours.features, theirs.features))


def _evaluation_fit(read: Read, season: str, as_of: str) -> Model | None:
    from tasks.model.model import FACTS_FILE, WEIGHTS_FILE, Model  # brings torch

    place = f"model/{season}/{as_of}/{EVALUATED}"
    files = {name: read(f"{place}/{name}") for name in (WEIGHTS_FILE, FACTS_FILE)}
    if None in files.values():
        return None
    return Model.from_bytes({name: content for name, content in files.items() if content is not None})


def _dataset(read: Read, season: str, model: Model) -> SeasonTable:
    table = pq.read_table(io.BytesIO(read(dataset_name(season)) or b""))
    keys = {REGION.name, SEASON_YEAR.name, SPLIT.name}
    crops = tuple(name for name in table.column_names if name in model.crops and name not in keys)
    return SeasonTable.from_arrow(table, model.features, crops)
