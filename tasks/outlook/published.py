"""What a published run keeps of its models for an outlook, read from the store."""

from __future__ import annotations

import io

import pyarrow.parquet as pq

from data.contracts.season_table import SeasonTable
from data.contracts.vocabulary import SplitName
from data.errors import DamageError, SettingsError
from data.settings.seasons import Cutoff
from data.store.backends.base import Store
from data.store.manifests import dataset_name, folder, read_manifest, read_published
from tasks.model.fits import EVALUATED, PUBLISHED
from tasks.model.published import load_model
from tasks.outlook.errors import ERRORS, Errors, evaluation_errors
from tasks.outlook.outlook import Fitted


def load_fitted(store: Store, run: str, season: str, as_of: str, evaluation: bool = False) -> Fitted:
    """The published model of a season and cut-off with its errors and the rows that it learned from.

    `evaluation`: the fit that test seasons were judged by instead.

    Raises SettingsError when the run has none for that day or was trained by a version that kept none,
    DamageError when files are gone or aren't as they were published.
    """
    model = load_model(store, run, season, as_of, EVALUATED if evaluation else PUBLISHED)
    manifest = read_manifest(store, run) or {"run_id": run, "files": {}}
    files = manifest["files"]
    place = f"model/{season}/{as_of}"
    if f"{place}/{ERRORS}" not in files:
        raise SettingsError(
            f"run {run} was trained by a version of cropyield that kept no errors with its models; train it "
            "again with `cropyield train`"
        )
    own = f"{place}/dataset.parquet"
    kept = evaluation_errors(Cutoff(season, as_of)) if evaluation else f"{place}/{ERRORS}"
    names = (kept, own if own in files else dataset_name(season))
    errors, rows = (io.BytesIO(read_published(store, manifest, name)) for name in names)
    dataset = pq.read_table(rows)
    if not {*model.features, *model.crops} <= {*dataset.column_names}:
        raise DamageError(f"{store.place(folder(run))}: its dataset lacks columns of its model")
    past = SeasonTable.from_arrow(dataset, model.features, model.crops)
    if evaluation:
        past = past.of_split(SplitName.TRAIN)
    return Fitted(model, Errors.read(errors), past)
