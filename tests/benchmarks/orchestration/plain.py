"""The bodies of the training flow's tasks one after the other, without Prefect's engine and artifacts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from unittest.mock import patch

from data.settings.schema import Settings
from tasks import ingesting, training

# runs a phase of a name and hands back what it made
Timed = Callable[[str, Callable[[], Any]], Any]


def _untimed(_name: str, phase: Callable[[], Any]) -> Any:
    return phase()


def train(settings: Settings, timed: Timed = _untimed) -> dict[str, Any]:
    """What `train_yields` does, by plain calls; each goes through `timed`, repeated names add up."""

    def ingest() -> tuple[str, str]:
        with ThreadPoolExecutor(2) as pool:
            weather = pool.submit(ingesting.ingest_weather.fn, job)
            yields = pool.submit(ingesting.ingest_yields.fn, job)
            return weather.result(), yields.result()

    with patch.object(training, "show"):
        job = timed("identify", partial(training.identify.fn, settings))
        weather, yields = timed("ingest", ingest)
        assembled = timed("assemble", partial(training.assemble.fn, job, weather, yields))
        models = []
        for cutoff in assembled.cutoffs:
            tensors = timed("normalise", partial(training.normalise.fn, job, cutoff, assembled))
            models.append(timed("train", partial(training.train.fn, job, cutoff, assembled, tensors)))
        evaluated = timed("evaluate", partial(training.evaluate.fn, job, assembled, models))
        timed("outlook", partial(training.outlook.fn, job, assembled, yields, models, evaluated))
        timed("report", partial(training.report.fn, job, assembled, models, evaluated))
        done: dict[str, Any] = timed("publish", partial(training.publish.fn, job))
        return done
