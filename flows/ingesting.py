"""Reading both inputs, for every flow that starts from weather and yields."""

from __future__ import annotations

from prefect import unmapped

from flows.workers.pools import Workers
from tasks import ingesting
from tasks.job.job import Job
from tasks.showing import progress_shown


def ingest(job: Job, workers: Workers) -> tuple[str, str]:
    """Weather and yields, each as one row per region and season: the names of the two steps.

    Threads share one task, which reads 44 million rows in less time than a task for each part takes
    to start; workers that share no memory get groups of parts. Both give the same bytes.
    """
    yields = ingesting.ingest_yields.submit(job)
    if workers.in_process or job.work.finished("weather"):
        weather = ingesting.ingest_weather.submit(job)
        return weather.result(), yields.result()
    listing = ingesting.list_weather(job, workers.count())
    with progress_shown("ingest weather"):
        parts = workers.map(
            ingesting.ingest_weather_group, "ingest weather",
            job=unmapped(job), listing=unmapped(listing), number=range(listing.groups),
        )  # fmt: skip
    return ingesting.merge_weather(job, listing, parts), yields.result()
