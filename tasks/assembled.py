"""The step that joins the inputs, as later tasks know it."""

from __future__ import annotations

from dataclasses import dataclass

from data.settings.seasons import Cutoff
from tasks.assemble.join import Assembled
from tasks.job.job import Job
from tasks.steps import step_folder


@dataclass(frozen=True)
class AssembledStep:
    """The step that joins the inputs, and the models that there are rows for."""

    step: str
    cutoffs: tuple[Cutoff, ...]


def season_data(job: Job, assembled: AssembledStep, season: str) -> Assembled:
    """What the models of one season learn from."""
    return Assembled.load(step_folder(job, assembled.step) / season)
