"""`forecast_yields`: what isn't harvested yet, from the newest weather and the current model."""

from __future__ import annotations

from datetime import date
from typing import Any

from prefect import flow

from data.settings import Settings
from flows.training import run_name
from tasks import forecast_steps, steps


@flow(name="forecast-yields", flow_run_name=run_name, timeout_seconds=6 * 3600)
def forecast_yields(settings: Settings, as_of: date | None = None) -> dict[str, Any]:
    """Forecast every region-season without a yield and publish it under `forecasts/`.

    Args:
        settings: What to read, where the model and the forecasts lie; its features are the model's.
        as_of: Only weather up to this day counts; none: all there is.

    Returns the summary that `cropyield forecast --json` prints. Raises SettingsError where there is no
    model for these features or this part of the season, InputError and StorageError.
    """
    job = forecast_steps.identify_forecast(settings, as_of)
    if forecast_steps.is_finished(job):
        return forecast_steps.publish_forecast(job, None)
    weather, yields = forecast_steps.ingest_weather.submit(job), steps.ingest_yields.submit(job)
    return forecast_steps.publish_forecast(
        job, forecast_steps.forecast(job, weather.result(), yields.result())
    )
