"""Pools of workers on this machine: threads and processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from typing import Any

from prefect.futures import as_completed
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings
from prefect.task_runners import TaskRunner
from prefect.tasks import Task

from data.errors import CropyieldError
from tasks.job.progress import report as report_progress


class Workers:
    """Threads of this process, and what all kinds of workers have in common."""

    in_process = True
    losses: tuple[type[BaseException], ...] = (BrokenExecutor,)

    def __init__(self, runner: TaskRunner[Any], count: int) -> None:
        self.runner = runner
        self._count = count

    def count(self) -> int:
        """How many tasks run side by side."""
        return self._count

    def map(self, task: Task[..., Any], what: str, **parameters: Any) -> list[Any]:
        """The results of a task for each value of its parameters that aren't `unmapped`, in their order.

        `what` names it in the progress. The first failure is raised as what it is, and tasks that
        haven't begun by then never do. Raises CropyieldError when workers are lost for good.
        """
        with self.submitting():
            futures = list(self.runner.map(task, parameters))
        try:
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                report_progress(what, done, len(futures))
            return [future.result() for future in futures]
        except self.losses as error:
            raise CropyieldError(
                f"{what}: workers died ({type(error).__name__}), most often for want of memory; "
                "the same command goes on from the last finished step"
            ) from error

    def submitting(self) -> contextlib.AbstractContextManager[None]:
        """What must hold while tasks are handed over."""
        return contextlib.nullcontext()


class Processes(Workers):
    """Processes of this machine, each with an interpreter of its own."""

    in_process = False

    @contextlib.contextmanager
    def submitting(self) -> Iterator[None]:
        # tasks take the settings of this moment along; without an address each process starts a server
        with temporary_settings({PREFECT_API_URL: server_address()}):
            yield


def server_address() -> str:
    """The API of the Prefect server that this process uses, an embedded one where no other is named."""
    named = get_current_settings().api.url
    if named:
        return str(named)
    from prefect.server.api.server import SubprocessASGIServer

    embedded = SubprocessASGIServer()
    embedded.start()
    return embedded.api_url


def _end_with_parent() -> None:
    """In a worker process: don't outlive a parent that is killed and can't say so."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
