"""The flow `forecast_yields`: what isn't harvested yet, from the newest weather and the current model."""

from __future__ import annotations

from datetime import date
from typing import Any

from prefect import flow

from data.settings.schema import Settings
from flows.ingesting import ingest
from flows.naming import forecast_name
from flows.policy import FLOW_POLICY
from flows.workers.open import open_workers
from tasks import forecasting


@flow(name="forecast-yields", flow_run_name=forecast_name, **FLOW_POLICY)
def forecast_yields(settings: Settings, as_of: date | None = None) -> dict[str, Any]:
    """Forecast every region-season without a yield and publish it under `forecasts/`.

    Args:
        settings: What to read, where the model and the forecasts lie; its features are the model's.
        as_of: Only weather up to this day counts; none: all there is.

    Returns the summary that `cropyield forecast --json` prints. Raises SettingsError where there is no
    model for these features or this part of the season, InputError and StorageError.
    """
    job = forecasting.identify_forecast(settings, as_of)
    if forecasting.is_finished(job):
        return forecasting.publish_forecast(job, None)
    with open_workers(settings) as workers:
        weather, yields = ingest(job, workers)
    return forecasting.publish_forecast(job, forecasting.forecast(job, weather, yields))
