"""The bodies of the training flow's tasks one after the other, without Prefect's engine and artifacts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

from data.settings.schema import Settings
from tasks import ingesting, training


def train(settings: Settings) -> dict[str, Any]:
    """What `train_yields` does, by plain calls."""
    with patch.object(training, "create_markdown_artifact"), ThreadPoolExecutor(2) as pool:
        job = training.identify.fn(settings)
        weather = pool.submit(ingesting.ingest_weather.fn, job)
        yields = pool.submit(ingesting.ingest_yields.fn, job)
        assembled = training.assemble.fn(job, weather.result(), yields.result())
        models = [
            training.train.fn(job, cutoff, assembled, training.normalise.fn(job, cutoff, assembled))
            for cutoff in assembled.cutoffs
        ]
        evaluated = training.evaluate.fn(job, assembled, models)
        training.outlook.fn(job, assembled, yields.result(), models, evaluated)
        training.report.fn(job, assembled, models, evaluated)
        return training.publish.fn(job)
