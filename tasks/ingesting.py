"""The tasks that read weather and yields, weather in groups of parts side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from prefect import task

from tasks.job.job import Job
from tasks.job.progress import report as report_progress
from tasks.showing import progress_shown
from tasks.steps import POLICY, logger, open_step, step_folder
from tasks.weather.groups import Groups, group_parts, ingest_group, load_partials, merge_groups, save_partials
from tasks.weather.ingest import ingest_weather as read_weather
from tasks.weather.merge import save_weather
from tasks.weather.parts import partition
from tasks.yields.ingest import ingest_yields as read_yields

# groups fetched from an object store at a time
_FETCHED = 8


@dataclass(frozen=True)
class Listing:
    """The step that lists the groups of the weather, and how many they are."""

    step: str
    groups: int


@task(name="list weather", **POLICY)
def list_weather(job: Job, workers: int) -> Listing:
    """Cut the weather into groups of parts, at least one for each worker."""
    groups = group_parts(partition(job.settings, job.as_of), workers)
    # of changed files the parts are other ones, and what an interrupted run has read is void
    name = f"weather {groups.digest}"
    with open_step(job, name) as folder:
        if folder is not None:
            groups.save(folder)
    logger().info("weather: %d rows in %d groups", groups.rows, len(groups.parts))
    return Listing(name, len(groups.parts))


@task(name="ingest weather", task_run_name="ingest weather, group {number}", **POLICY)
def ingest_weather_group(job: Job, listing: Listing, number: int) -> str:
    """Judge and sum the rows of one group of parts."""
    name = f"{listing.step} {number}"
    with open_step(job, name) as folder:
        if folder is not None:
            groups = Groups.load(step_folder(job, listing.step))
            save_partials(ingest_group(job.settings, groups, number), folder)
    return name


@task(name="merge weather", **POLICY)
def merge_weather(job: Job, listing: Listing, parts: Sequence[str]) -> str:
    """Merge the groups into one row per region and season, in the order of the files."""
    with open_step(job, "weather") as folder:
        if folder is not None:
            with ThreadPoolExecutor(_FETCHED) as pool:
                folders = list(pool.map(lambda name: step_folder(job, name), parts))
            rows = Groups.load(step_folder(job, listing.step)).rows
            save_weather(merge_groups(job.settings, rows, map(load_partials, folders)), folder)
    return "weather"


@task(name="ingest weather", task_run_name="ingest weather", **POLICY)
def ingest_weather(job: Job) -> str:
    """Stream the weather into one row per region and season; name every row that can't be used."""
    with open_step(job, "weather") as folder:
        if folder is not None:
            with progress_shown("ingest weather"):
                found = read_weather(
                    job.settings,
                    lambda done, total: report_progress("ingest weather", done, total),
                    job.as_of,
                )
            save_weather(found, folder)
    return "weather"


@task(name="ingest yields", task_run_name="ingest yields", **POLICY)
def ingest_yields(job: Job) -> str:
    """Bring the yields into one row per region and season; name every row that can't be used."""
    with open_step(job, "yields") as folder:
        if folder is not None:
            read_yields(job.settings).save(folder)
            report_progress("ingest yields", 1, 1)
    return "yields"
