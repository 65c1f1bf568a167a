"""The training job in this process, stage by stage and without a server; and a reader of its store."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.settings.schema import Settings
from tasks import ingesting, showing, training

STAGES = (
    "identify",
    "weather",
    "yields",
    "assemble",
    "normalise",
    "train",
    "evaluate",
    "outlook",
    "report",
    "publish",
)
Enter = Callable[[str], None]


def without_server() -> None:
    """Leave out what the report's task tells the Prefect server; all that touches files stays."""
    vars(showing)["create_markdown_artifact"] = lambda *_given, **_named: None


def train(settings: Settings, enter: Enter, force: bool = False, accept: str | None = None) -> dict[str, Any]:
    """What `flows.training.train_yields` does, by the tasks' own functions; `enter` hears of each stage."""
    enter("identify")
    job = training.identify.fn(settings, force)
    if force or not training.is_finished(job):
        enter("weather")
        weather = ingesting.ingest_weather.fn(job)
        enter("yields")
        yields = ingesting.ingest_yields.fn(job)
        enter("assemble")
        assembled = training.assemble.fn(job, weather, yields)
        enter("normalise")
        tensors = {cutoff: training.normalise.fn(job, cutoff, assembled) for cutoff in assembled.cutoffs}
        enter("train")
        models = [training.train.fn(job, cutoff, assembled, name) for cutoff, name in tensors.items()]
        enter("evaluate")
        evaluated = training.evaluate.fn(job, assembled, models)
        enter("outlook")
        training.outlook.fn(job, assembled, yields, models, evaluated)
        enter("report")
        training.report.fn(job, assembled, models, evaluated)
    enter("publish")
    return training.publish.fn(job, accept)


def read(place: Path) -> str:
    """Follow the pointer as a dashboard does and check every digest; the run, found whole.

    The stable predictions must be those of a run of this store, whole.
    """
    run = str(json.loads((place / "current.json").read_bytes())["run_id"])
    folder = place / "runs" / run
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["run_id"] == run
    assert "predictions.parquet" in manifest["files"]
    for name, facts in manifest["files"].items():
        content = (folder / name).read_bytes()
        found = (hashlib.sha256(content).hexdigest(), len(content))
        assert found == (facts["sha256"], facts["size"]), f"{run}: {name} is not as published"
    return run


def stable(place: Path) -> str:
    """The digest of the stable predictions."""
    return hashlib.sha256((place / "predictions.parquet").read_bytes()).hexdigest()


def contents(place: Path) -> dict[str, str]:
    """Digests of the files that others read, but manifests; of an entry and the pointer what they name."""
    found = {}
    for file in sorted(place.rglob("*")):
        name = file.relative_to(place).as_posix()
        # what is being written or removed has a name with .tmp, and is swept after a day
        if file.is_dir() or file.name == "manifest.json" or ".tmp" in name:
            continue
        if name.startswith((".work/", ".views/", ".lock")):
            continue
        content = file.read_bytes()
        found[name] = hashlib.sha256(content).hexdigest()
        if name == "current.json" or name.startswith("log/"):
            entry = json.loads(content)
            found[name] = f"{entry.get('action')} {entry.get('run_id')}"
    return found


class Reader:
    """Reads again and again while a child lives; every reading must be of a whole run."""

    def __init__(self, predictions: set[str]) -> None:
        self.predictions = predictions
        self.readings = 0

    def once(self, place: Path) -> str:
        """One reading."""
        found = stable(place)
        assert found in self.predictions, "the stable predictions are those of no run"
        self.readings += 1
        return read(place)

    def watch(
        self,
        child: int,
        place: Path,
        until: float | None = None,
        when: Callable[[], bool] = lambda: False,
    ) -> int:
        """Read until the child ends; its exit status. It is killed at the time `until`, or `when` so."""
        while True:
            self.once(place)
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            if (until is not None and time.monotonic() >= until) or when():
                os.kill(child, 9)
                return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            time.sleep(0.02)
