"""The flow `train_yields`: ingest → assemble → normalise → train → evaluate → publish."""

from __future__ import annotations

from typing import Any

from prefect import flow

from data.settings.schema import Settings
from flows.ingesting import ingest
from flows.naming import training_name
from flows.policy import FLOW_POLICY
from flows.workers.open import open_workers
from tasks import training


@flow(name="train-yields", flow_run_name=training_name, **FLOW_POLICY)
def train_yields(settings: Settings, force: bool = False, accept: str | None = None) -> dict[str, Any]:
    """Learn yields from weather and publish predictions, model and report.

    Args:
        settings: What to read, how to train, where to publish.
        force: Compute the run again even when it is finished.
        accept: Publish in spite of a failed gate, for this reason.

    Returns the summary that `cropyield train --json` prints. Raises SettingsError, InputError,
    StorageError, and GateError when the run is kept but not made current.
    """
    job = training.identify(settings, force)
    if force or not training.is_finished(job):
        with open_workers(settings) as workers:
            weather, yields = ingest(job, workers)
        assembled = training.assemble(job, weather, yields)
        models = [
            training.train(job, cutoff, assembled, training.normalise(job, cutoff, assembled))
            for cutoff in assembled.cutoffs
        ]
        evaluated = training.evaluate(job, assembled, models)
        training.outlook(job, assembled, yields, models, evaluated)
        training.report(job, assembled, models, evaluated)
    return training.publish(job, accept)
