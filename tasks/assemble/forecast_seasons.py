"""What there is to forecast in each season of a run."""

from __future__ import annotations

from collections.abc import Mapping

from data.errors import SettingsError
from data.settings.seasons import of_season
from tasks.assemble.forecast_rows import ForecastRows, find_forecast_rows
from tasks.assemble.regions import Regions
from tasks.assemble.regions_account import with_regions
from tasks.job.forecast_job import ForecastJob
from tasks.weather.merge import Weather
from tasks.yields.ingest import Yields


def find_all_forecast_rows(
    weather: Mapping[str, Weather], yields: Yields, job: ForecastJob, listed: Regions | None = None
) -> tuple[dict[str, ForecastRows], list[str]]:
    """The region-seasons to forecast by season, and why there are none yet in the others, a sentence each.

    Raises what `find_forecast_rows` does; a season under way that no model serves yet only where no other
    season has anything to say.
    """
    found: dict[str, ForecastRows] = {}
    unserved: dict[str, SettingsError] = {}
    for season, trained in job.trained.items():
        if not (crops := job.crops_of(season)):
            continue
        of_crops = yields.of_crops(trained.crops)
        settings = of_season(job.settings, season)
        try:
            found[season] = find_forecast_rows(weather[season], of_crops, settings, trained, crops, job.as_of)
        except SettingsError as error:
            unserved[season] = error
    if not found:
        raise next(iter(unserved.values()))
    notes = [f"season {season}: {error}" for season, error in unserved.items()]
    return with_regions(found, listed, weather, yields), notes
