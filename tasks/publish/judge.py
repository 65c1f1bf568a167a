"""The gate applied to a finished run: reads it and the current one from the store, each time anew."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from data.contracts.columns import REGION, SEASON_YEAR, SPLIT
from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import SplitName
from data.errors import StorageError
from data.settings.schema import Gate as GateSettings
from data.settings.seasons import Cutoff
from data.store.base import Store
from data.store.manifests import dataset_name, folder, read_json
from data.store.pointers import read_current
from tasks.model.fits import EVALUATED
from tasks.publish.gate import Comparison, Gate, Judged, compare, judge

if TYPE_CHECKING:
    from tasks.model.model import Model


def judge_run(store: Store, run: str, settings: GateSettings) -> Gate:
    """Judge a run whose files are in the store by its full seasons. Raises StorageError when one is gone."""
    metrics = read_json(store, f"{folder(run)}/metrics.json")
    if metrics is None:
        raise StorageError(f"{store.place(folder(run))}/metrics.json is gone; train again with --force")
    judged = {}
    for season, of in metrics["seasons"].items():
        full = list(of["as_of"])[-1]
        judged[season] = Judged(of["as_of"][full], of["breaks"], _against_current(store, run, season, full))
    return judge(judged, settings)


def described(gate: Gate) -> dict[str, Any]:
    """The gate as manifests and pointers hold it."""
    return {
        "outcome": str(gate.outcome),
        "reason": gate.sentence,
        "checks": [asdict(check) | {"outcome": str(check.outcome)} for check in gate.checks],
    }


def _against_current(store: Store, run: str, season: str, as_of: str) -> Comparison | None:
    pointer = read_current(store)
    if pointer is None:
        return None
    if pointer["run_id"] == run:
        return Comparison({}, "this is the current model")
    current = pointer["run_id"]
    ours, theirs = (_evaluation_fit(store, each, season, as_of) for each in (run, current))
    if theirs is None or ours is None:
        return Comparison({}, f"run {current if ours else run} holds no model for {Cutoff(season, as_of)}")
    our_rows, their_rows = (
        _dataset(store, each, season, model) for each, model in ((run, ours), (current, theirs))
    )
    trained = (our_rows.of_split(SplitName.TRAIN), their_rows.of_split(SplitName.TRAIN))
    return compare(ours, theirs, our_rows, *trained, (ours.features, theirs.features))


def _evaluation_fit(store: Store, run: str, season: str, as_of: str) -> Model | None:
    from tasks.model.model import FACTS_FILE, WEIGHTS_FILE, Model  # brings torch

    place = f"{folder(run)}/model/{season}/{as_of}/{EVALUATED}"
    files = {name: store.get(f"{place}/{name}") for name in (WEIGHTS_FILE, FACTS_FILE)}
    if None in files.values():
        return None
    return Model.from_bytes({name: content for name, content in files.items() if content is not None})


def _dataset(store: Store, run: str, season: str, model: Model) -> SeasonTable:
    name = dataset_name(season)
    content = store.get(f"{folder(run)}/{name}")
    if content is None:
        raise StorageError(f"{store.place(folder(run))}/{name} is gone; `cropyield verify` shows what else")
    table = pq.read_table(io.BytesIO(content))
    keys = {REGION.name, SEASON_YEAR.name, SPLIT.name}
    crops = tuple(name for name in table.column_names if name in model.crops and name not in keys)
    return SeasonTable.from_arrow(table, model.features, crops)
