"""The bodies of the training flow's tasks one after the other, without Prefect's engine and artifacts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

from data.settings.features import cutoffs
from data.settings.schema import Settings
from tasks import steps


def train(settings: Settings) -> dict[str, Any]:
    """What `train_yields` does, by plain calls."""
    with patch.object(steps, "create_markdown_artifact"), ThreadPoolExecutor(2) as pool:
        job = steps.identify.fn(settings)
        weather = pool.submit(steps.ingest_weather.fn, job)
        yields = pool.submit(steps.ingest_yields.fn, job)
        assembled = steps.assemble.fn(job, weather.result(), yields.result())
        models = [
            steps.train.fn(job, day, steps.normalise.fn(job, day, assembled)) for day in cutoffs(settings)
        ]
        steps.report.fn(job, assembled, models, steps.evaluate.fn(job, assembled, models))
        return steps.publish.fn(job)
