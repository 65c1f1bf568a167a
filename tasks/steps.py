"""What all tasks share: the retry policy, open_step and step_folder, the logger.

Tasks exchange the frozen Job; what they write lies in its work folder, a folder a step, so that a run
killed half way goes on from the steps it has finished. Prefect is imported here and in `flows` only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from prefect.tasks import Task, exponential_backoff

from data.errors import DamageError, NoBucketError, StorageError
from data.escapes import one_line
from tasks.job.job import Job
from tasks.job.machine import release_memory

RETRIES = 3


def only_storage(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry what the next attempt may mend: storage that failed, never a broken contract."""
    failure = state.result(raise_on_failure=False)
    return isinstance(failure, StorageError) and not isinstance(failure, NoBucketError | DamageError)


POLICY: dict[str, Any] = {
    "cache_policy": NO_CACHE,  # hashing arguments costs more than it could save: steps are kept in the store
    "persist_result": False,
    "retries": RETRIES,
    "retry_delay_seconds": exponential_backoff(backoff_factor=1),
    "retry_condition_fn": only_storage,
}


class _OneLine(logging.LoggerAdapter[Any]):
    """Messages hold names from data: each becomes one line without control characters."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        super().log(level, "%s", one_line(str(msg) % args if args else str(msg)), **kwargs)


def logger() -> logging.LoggerAdapter[Any]:
    """The run's logger, or a plain one outside of a run."""
    try:
        return _OneLine(get_run_logger())
    except MissingContextError:
        return _OneLine(logging.getLogger("cropyield"))


@contextmanager
def open_step(job: Job, name: str) -> Iterator[Path | None]:
    """A folder to fill for a step, or None where the step is finished already."""
    if job.work.finished(name):
        logger().info("%s: finished before, kept", name)
        yield None
    else:
        release_memory()
        with job.work.create(name) as folder:
            yield folder


def step_folder(job: Job, name: str) -> Path:
    """The folder of a step that an earlier task has finished. Raises StorageError when it is gone."""
    folder = job.work.finished(name)
    if folder is None:
        raise StorageError(
            f"{job.work.name}/{name} is gone from the store; repeat the command "
            "(workers on other machines need a store that they see, such as s3://…)"
        )
    return folder
