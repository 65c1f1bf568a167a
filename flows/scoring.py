"""The flow `score_forecasts`: issued forecasts against the yields known by now."""

from __future__ import annotations

from typing import Any

from prefect import flow

from data.settings.schema import Settings
from flows.naming import scoring_name
from flows.policy import FLOW_POLICY
from tasks import ingesting, scoring, training


@flow(name="score-forecasts", flow_run_name=scoring_name, **FLOW_POLICY)
def score_forecasts(settings: Settings) -> dict[str, Any]:
    """Hold the record of forecasts against the yields and publish `verification.parquet` and `.json`.

    Args:
        settings: Which yields and regions, and where the forecasts lie.

    Returns the summary that `cropyield score --json` prints. Raises InputError and StorageError.
    """
    job = training.identify(settings, kind="score")
    return scoring.score_record(job, ingesting.ingest_yields(job))
