"""The pipeline's Prefect tasks: each reads, calls a plain function, writes and logs; none does arithmetic.

They exchange the frozen Job; what they make lies in its work folder, a folder a step, so that a run
killed half way goes on from the steps it has finished. Prefect is imported here and in `flows` only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from prefect.tasks import Task, exponential_backoff

from data.contracts import SplitName
from data.errors import StorageError
from data.runs import read_manifest
from data.settings import Settings
from tasks import assemble as assembling
from tasks import ingest, publish as publishing, results, train as training
from tasks import normalise as normalising
from tasks.fits import EVALUATED, PUBLISHED, fits_of
from tasks.job import Job, open_job
from tasks.model import Model
from tasks.progress import report as report_progress
from tasks.tensors import load_normalised, save_normalised

RETRIES = 3


def only_storage(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry what the next attempt may mend: storage that failed, never a broken contract."""
    failure = state.result(raise_on_failure=False)
    return isinstance(failure, StorageError)


_POLICY: dict[str, Any] = {
    "cache_policy": NO_CACHE,  # hashing arguments costs more than it could save: steps are kept in the store
    "persist_result": False,
    "retries": RETRIES,
    "retry_delay_seconds": exponential_backoff(backoff_factor=1),
    "retry_condition_fn": only_storage,
}


@task(name="identify", **_POLICY)
def identify(settings: Settings, force: bool = False) -> Job:
    """Digest the inputs; the run's id follows from what they and the settings are."""
    job = open_job(settings, force)
    files = [*job.weather, *job.yields]
    size = sum(file.size for file in files)
    logger().info("run %s: %d input files, %.1f MB", job.run_id, len(files), size / 1e6)
    return job


@task(name="ingest weather", **_POLICY)
def ingest_weather(job: Job) -> None:
    """Stream the weather into one row per region and season; name every row that can't be used."""
    with step(job, "weather") as folder:
        if folder is not None:
            weather = ingest.ingest_weather(job.settings, expected=job.weather)
            weather.save(folder)
            logger().info("weather: %s", weather.summary())


@task(name="ingest yields", **_POLICY)
def ingest_yields(job: Job) -> None:
    """Bring the yields into one row per region and season; name every row that can't be used."""
    with step(job, "yields") as folder:
        if folder is not None:
            yields = ingest.ingest_yields(job.settings, expected=job.yields)
            yields.save(folder)
            logger().info("yields: %s", yields.summary())


@task(name="assemble", **_POLICY)
def assemble(job: Job) -> None:
    """Join weather and yields, split by season, and draw up the ledger of all rows."""
    with step(job, "assembled") as folder:
        if folder is not None:
            weather = ingest.Weather.load(made(job, "weather"))
            yields = ingest.Yields.load(made(job, "yields"))
            assembled = assembling.assemble(weather, yields, job.settings)
            assembled.save(folder)
            for line in assembled.story():
                logger().info(line)


def assembled_of(job: Job) -> assembling.Assembled:
    """What `assemble` made."""
    return assembling.Assembled.load(made(job, "assembled"))


@task(name="normalise", **_POLICY)
def normalise(job: Job, as_of: str) -> None:
    """Fit baseline, climatology and scaling on training rows; tensors for both fits."""
    with step(job, f"tensors {as_of}") as folder:
        if folder is not None:
            table = assembled_of(job).datasets[as_of]
            for fit, rows in fits_of(table).items():
                save_normalised(normalising.normalise(rows, job.settings), folder, fit)


@task(name="train", **_POLICY)
def train(job: Job, as_of: str) -> None:
    """SGD for the evaluation fit (training seasons) and the published fit (all seasons)."""
    with step(job, f"model {as_of}") as folder:
        if folder is None:
            return
        assembled = assembled_of(job)
        validation = assembled.datasets[as_of].of_split(SplitName.VALIDATION)
        for fit in fits_of(assembled.datasets[as_of]):
            model = training.fit_normalised(
                load_normalised(made(job, f"tensors {as_of}"), fit), job.settings, as_of,
                validation=validation if fit == EVALUATED else None,
                on_epoch=_told(f"train {as_of}, {fit} fit", job.settings.training.epochs),
                checkpoint=job.work.scratch(f"{as_of} {fit}"),
                crop_units=assembled.crop_units, feature_units=assembled.feature_units[as_of],
            )  # fmt: skip
            model.to_files(folder / fit)
            logger().info("%s fit at %s: excess over the exact optimum %s", fit, as_of, model.record["excess"])


def _told(what: str, epochs: int) -> Callable[[int, float], None]:
    every = max(epochs // 10, 1)

    def told(epoch: int, loss: float) -> None:
        report_progress(what, epoch, epochs)
        if epoch % every == 0:
            logger().info("%s: epoch %d of %d, loss %.6g", what, epoch, epochs, loss)

    return told


@task(name="evaluate", **_POLICY)
def evaluate(job: Job) -> None:
    """Score the evaluation fit beside naive baselines, calibrate intervals, predict every season."""
    with step(job, "evaluated") as folder:
        if folder is None:
            return
        tables = assembled_of(job).datasets
        found = {}
        for at, (as_of, table) in enumerate(tables.items()):
            found[as_of] = results.evaluate_cutoff(models_of(job, as_of), table, job.settings, as_of)
            report_progress("evaluate", at + 1, len(tables))
        results.save_results(found, folder, job.run_id)
        for line in results.story(found):
            logger().info(line)


def models_of(job: Job, as_of: str) -> dict[str, Model]:
    """The fits that `train` made, by name."""
    folder = made(job, f"model {as_of}")
    return {fit: Model.from_files(folder / fit) for fit in (EVALUATED, PUBLISHED)}


@task(name="report", **_POLICY)
def report(job: Job) -> None:
    """Draw the plots and write the report; put the headline where the Prefect UI shows it."""
    with step(job, "report") as folder:
        if folder is not None:
            reporting.save_report(job, folder)
    create_markdown_artifact(reporting.headline(job), key="headline", description="Scores beside naive baselines")
    create_markdown_artifact(reporting.ledger(job), key="ledger", description="What became of every input row")


@task(name="publish", **_POLICY)
def publish(job: Job, accept: str | None = None) -> dict[str, Any]:
    """Write the run, its manifest last; then, if the gate lets it through, the pointer."""
    result = publishing.publish(job, accept)
    logger().info("%s", result["message"])
    logger().info("gate %s", result["gate"]["reason"])
    for what, place in result["places"].items():
        logger().info("%s: %s", what, place)
    return result


def is_finished(job: Job) -> bool:
    """Whether this very run lies in the store already."""
    finished = read_manifest(job.store, job.run_id) is not None
    if finished:
        logger().info("nothing new: run %s is finished", job.run_id)
    return finished


def logger() -> logging.Logger | logging.LoggerAdapter[Any]:
    """The run's logger, or a plain one outside of a run."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("cropyield")


@contextmanager
def step(job: Job, name: str) -> Iterator[Path | None]:
    """A folder to fill for a step, or None where the step is finished already."""
    if job.work.finished(name):
        logger().info("%s: finished before, kept", name)
        yield None
    else:
        with job.work.making(name) as folder:
            yield folder


def made(job: Job, name: str) -> Path:
    """The folder of a step that an earlier task has finished. Raises StorageError when it is gone."""
    folder = job.work.finished(name)
    if folder is None:
        raise StorageError(f"{job.work.name}/{name} is gone from the store; repeat the command")
    return folder
