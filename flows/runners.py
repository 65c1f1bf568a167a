"""Where mapped tasks run: threads, processes, or a Dask cluster, by the setting `runner`."""

from __future__ import annotations

import os
from typing import Any

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from data.errors import SettingsError
from data.settings import Settings


def task_runner(settings: Settings) -> TaskRunner[Any]:
    """The runner that the settings ask for. Raises SettingsError where the extra `dask` is missing."""
    workers = os.cpu_count() or 1
    if settings.runner == "threads":
        return ThreadPoolTaskRunner(max_workers=workers)
    if settings.runner == "processes":
        return ProcessPoolTaskRunner(max_workers=workers)
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise SettingsError('runner = "dask" needs the extra: pip install "cropyield[dask]"') from error
    found: TaskRunner[Any] = DaskTaskRunner(address=settings.runner_address)
    return found
