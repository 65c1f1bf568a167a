"""The workers of a flow by the setting `runner`: threads, processes, or a Dask cluster."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

from data.errors import SettingsError
from data.settings.schema import Settings
from flows.workers.pools import Processes, Workers, _end_with_parent


@contextlib.contextmanager
def open_workers(settings: Settings) -> Iterator[Workers]:
    """The workers that the settings ask for; those that were started for it end with the block.

    A flow opens them itself, so that the setting holds however the flow was started: by command, by
    schedule, from the Prefect UI. What they run belongs to the flow's run. Raises SettingsError where
    the extra `dask` is missing.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers: Workers
    if settings.runner == "threads":
        workers = Workers(ThreadPoolTaskRunner(max_workers=cores), cores)
    elif settings.runner == "processes":
        workers = Processes(ProcessPoolTaskRunner(max_workers=cores, initializer=_end_with_parent), cores)
    else:
        try:
            from flows.workers.dask import Cluster
        except ImportError as error:
            raise SettingsError('runner = "dask" needs the extra: pip install "cropyield[dask]"') from error
        workers = Cluster(settings, cores)
    with workers.runner:
        yield workers
