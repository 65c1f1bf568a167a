"""What a flow run shows in the Prefect UI: artifacts, progress of long tasks, links to an earlier run's.

Where nobody can look, as with the embedded server that ends with its command, no progress is shown and
nothing is searched for.
"""

from __future__ import annotations

import contextlib
import contextvars
import re
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter
from prefect.client.schemas.sorting import FlowRunSort
from prefect.runtime import flow_run
from prefect.settings import get_current_settings

from data.escapes import one_line
from tasks.job.progress import watched_by
from tasks.report.artifacts import EARLIER, Artifact, Earlier, of_earlier

LONG_S, UPDATED_EVERY_S = 5.0, 2.0
"""A task that has taken so long shows its progress, brought up to date so often."""
_MOST_RUNS = 5  # that worked on one run: each but the last was killed half way
_unseen = False


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Nobody can look at what runs show while the block runs."""
    global _unseen
    before, _unseen = _unseen, True
    try:
        yield
    finally:
        _unseen = before


def is_seen() -> bool:
    """Whether this is a flow run whose server people and automations look at."""
    return not _unseen and flow_run.id is not None


def show(*pages: Artifact) -> None:
    """Put pages where the Prefect UI shows them, beside those of earlier runs."""
    for page in pages:
        create_markdown_artifact(page.markdown, key=page.key, description=page.description)


def name_run(name: str) -> None:
    """Name the flow run after what its data turned out to hold; outside of a run nothing happens."""
    if flow_run.id is not None:
        with get_client(sync_client=True) as client:
            client.update_flow_run(UUID(flow_run.id), name=one_line(name))


def tag_run(run_id: str) -> None:
    """Tag the flow run with the run that it computes, by which later flow runs find what it showed."""
    if is_seen():
        with get_client(sync_client=True) as client:
            tags = {*client.read_flow_run(_own_id()).tags, _tag(run_id)}
            client.update_flow_run(_own_id(), tags=sorted(tags))


def show_earlier(run_id: str) -> None:
    """Link what the flow run that computed this run showed, where this server knows of it."""
    if not is_seen():
        return
    with get_client(sync_client=True) as client:
        tagged = FlowRunFilter.model_validate({"tags": {"all_": [_tag(run_id)]}})
        newest = FlowRunSort.START_TIME_DESC
        runs = client.read_flow_runs(flow_run_filter=tagged, sort=newest, limit=_MOST_RUNS)
        names = {run.id: run.name for run in runs if run.id != _own_id()}
        if not names:
            return
        theirs = ArtifactFilter.model_validate({"flow_run_id": {"any_": list(names)}})
        found = client.read_artifacts(artifact_filter=theirs)
    ui = get_current_settings().ui_url
    latest = {
        each.key: Earlier(
            each.key, each.description or "", f"{ui}/artifacts/artifact/{each.id}",
            names[each.flow_run_id], f"{ui}/runs/flow-run/{each.flow_run_id}",
        )
        for each in sorted(found, key=lambda each: str(each.created))
        if each.key and each.type == "markdown" and each.key != EARLIER and each.flow_run_id
    }  # fmt: skip
    if latest:
        show(of_earlier(run_id, list(latest.values())))


@contextlib.contextmanager
def progress_shown(what: str) -> Iterator[None]:
    """Show the progress that is reported of `what` in the block, once it has taken a while."""
    if not is_seen():
        yield
        return
    shown = _Progress(what)
    with watched_by(shown):
        yield
    shown.end()


class _Progress:
    """A progress artifact of the task or flow that made it, whichever thread reports."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.context = contextvars.copy_context()
        self.next_at = time.monotonic() + LONG_S
        self.artifact: UUID | None = None
        self.busy = threading.Lock()

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self.what or not self.busy.acquire(blocking=False):
            return
        try:
            if time.monotonic() >= self.next_at:
                self._try_to_show(100.0 * done / max(total, 1))
                self.next_at = time.monotonic() + UPDATED_EVERY_S
        finally:
            self.busy.release()

    def end(self) -> None:
        """All is done, also where it took fewer steps than it might have."""
        if self.artifact is not None:
            self._try_to_show(100.0)

    def _try_to_show(self, percent: float) -> None:
        # a server that doesn't take it is no reason to stop a task that does well
        with contextlib.suppress(Exception):
            self.context.copy().run(self._show, percent)

    def _show(self, percent: float) -> None:
        if self.artifact is None:
            key = "progress-" + re.sub(r"[^a-z0-9]+", "-", self.what.lower()).strip("-")
            made: Any = create_progress_artifact(percent, key=key, description=f"Progress: {self.what}")
            self.artifact = made
        else:
            update_progress_artifact(self.artifact, progress=percent)


def _own_id() -> UUID:
    return UUID(str(flow_run.id))


def _tag(run_id: str) -> str:
    return f"run {run_id}"
